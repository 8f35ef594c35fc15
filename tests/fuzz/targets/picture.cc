// Pictures of others, PNG and JPEG: read, or refused with a reason, in bounded memory.

#include "base/base64.h"
#include "fuzz/target.h"
#include "platform/picture.h"
#include "transform/picture_internal.h"

namespace tenon::fuzz {
namespace {

constexpr std::int64_t kMostPixels = 1 << 16;

void RunPicture(std::string_view input) {
  const auto read = platform::DecodePicture(input, kMostPixels);
  if (!read.ok()) {
    if (read.error().code() != Code::kUnavailable) CheckError(read.error());
    return;
  }
  Hold(read->width > 0 && read->height > 0 && static_cast<std::int64_t>(read->width) * read->height <= kMostPixels, "a size that was asked for");
  Hold(read->pixels.size() == static_cast<std::size_t>(read->width) * static_cast<std::size_t>(read->height) * static_cast<std::size_t>(read->channels), "a pixel for every place");
  Hold(read->pixels == Must(platform::DecodePicture(input, kMostPixels), "the same again").pixels, "the same pixels again");
  for (const auto filter : {transform::PictureSettings::Resample::kNearest, transform::PictureSettings::Resample::kLanczos}) {
    const platform::Picture small = transform::Resized(*read, 7, 5, filter);
    Hold(small.pixels.size() == 35 * static_cast<std::size_t>(read->channels), "the size that was asked for");
  }
}

// 3 x 2 pixels: grey; grey and alpha, interlaced; a palette of a bit; and a JPEG of black.
std::vector<std::string> Seeds() {
  const std::vector<std::string> texts = {
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAEElEQVR4nGNgOMHOyPmNEQAG5wHRoBaDFwAAAABJRU5ErkJggg==",
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAQAAAFAep4HAAAAGElEQVR4nGNgYGRgZGJgYmZgZmZgYGQEAACOABI33MNHAAAAAElFTkSuQmCC",
      "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACAQMAAACnuvRZAAAABlBMVEUBAgP6BQYqCTGSAAAAAXRSTlOArV5bRgAAAAxJREFUeJxjSGBsAAABpgDiU90vMwAAAABJRU5ErkJggg==",
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4"
      "pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAACAAMDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL"
      "/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1"
      "dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQF"
      "BgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVm"
      "Z2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDFooooA//Z"};
  std::vector<std::string> seeds;
  for (const std::string& text : texts) Hold(FromBase64(text, &seeds.emplace_back()), "base64");
  return seeds;
}

}  // namespace

Target MakePicture() { return {RunPicture, Seeds}; }

}  // namespace tenon::fuzz

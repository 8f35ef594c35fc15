#include "evaluate/report_internal.h"

namespace tenon::evaluate {

std::string_view ReportStyle() {
  return R"css(
:root{--page:#f6f7f9;--card:#fff;--text:#1b2430;--soft:#5b6776;--line:#dde2e8;--good:#16794a;--bad:#b42323;--goodbg:#e7f5ec;
--badbg:#fcebea;--i1:#2563c9;--i2:#d9730d;--i3:#16855b;--i4:#8a46c4;--i0:#8a95a3;--heat:37,99,201}
@media(prefers-color-scheme:dark){:root{--page:#12161c;--card:#1b212a;--text:#e6eaf0;--soft:#9aa6b5;--line:#333c48;--good:#5fce94;
--bad:#ff8a80;--goodbg:#17352a;--badbg:#3f2022;--i1:#6ea3ff;--i2:#f2a154;--i3:#4fc793;--i4:#c08cf0;--i0:#7d8896;--heat:110,163,255}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1060px;margin:0 auto;padding:32px 24px 64px}
header h1{font-size:28px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
header p{margin:0;color:var(--soft)}
h2{font-size:19px;margin:40px 0 12px;padding-bottom:6px;border-bottom:1px solid var(--line)}
h3{font-size:15px;margin:20px 0 8px}
section p{max-width:74ch;margin:4px 0 10px}
.lead{color:var(--soft);margin:0 0 14px;max-width:80ch}
.verdict{background:var(--card);border:1px solid var(--line);border-left:6px solid var(--i0);border-radius:8px;padding:20px 24px;margin:22px 0}
.verdict.good{border-left-color:var(--good)}.verdict.bad{border-left-color:var(--bad)}
.verdict .asked{color:var(--soft);margin:0 0 4px}
.verdict .answer{font-size:21px;line-height:1.35;font-weight:600;margin:0 0 16px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,160px),1fr));gap:12px;margin:0 0 6px}
.tile{border:1px solid var(--line);border-radius:6px;padding:10px 14px}
.tile small{display:block;color:var(--soft);font-size:12.5px;line-height:1.4}
.tile b{display:block;font-size:22px;line-height:1.35;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;background:var(--card);border:1px solid var(--line);border-radius:6px}
th,td{text-align:left;padding:7px 12px;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:13px}
tr:last-child>td{border-bottom:0}
td small{display:block;color:var(--soft);font-size:12.5px}td:first-child small{min-width:20ch}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.pass,.fail{display:inline-block;white-space:nowrap;border-radius:4px;padding:0 8px;font-weight:600;font-size:13px}
.pass{color:var(--good);background:var(--goodbg)}.fail{color:var(--bad);background:var(--badbg)}
.warn{font-weight:600;color:var(--i2)}.up{color:var(--good)}.down{color:var(--bad)}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,430px),1fr));gap:16px;align-items:start}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px 10px;break-inside:avoid}
figcaption b{display:block;font-size:15px}figcaption span{display:block;color:var(--soft);font-size:13px;line-height:1.45}
svg{display:block;width:100%;height:auto;margin-top:6px}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;fill:var(--soft)}
svg text.name{font-size:12.5px;fill:var(--text)}svg text.row{fill:var(--text)}
svg text.halo{fill:var(--text);paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
svg .grid{stroke:var(--line);stroke-width:1;display:inline}
svg .axis{stroke:var(--soft);stroke-width:1}svg .mark{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 3}
svg .band{fill:var(--i0);opacity:.16}
svg .range{fill:none;stroke:var(--c);stroke-width:2;opacity:.55}
svg .line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}svg .dashed{stroke-dasharray:5 4;stroke-width:1.5}
svg .area{fill:var(--c);opacity:.22}svg .fill{fill:var(--c)}svg .ring{fill:var(--card);stroke:var(--c);stroke-width:2.5}
svg .dots{fill:none;stroke:var(--c);stroke-linecap:round;opacity:.75}svg .speck{fill:none;stroke:var(--c);stroke-width:4;stroke-linecap:round;opacity:.8}
.i0{--c:var(--i0)}.i1{--c:var(--i1)}.i2{--c:var(--i2)}.i3{--c:var(--i3)}.i4{--c:var(--i4)}
.v0{--c:var(--i0)}.v1{--c:#2c6fdb}.v2{--c:#5f7fd6}.v3{--c:#8a83c4}.v4{--c:#a97fae}.v5{--c:#c66f8c}.v6{--c:#d95468}.v7{--c:#e0344a}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:13px;margin-top:6px}
.legend i{display:inline-block;vertical-align:middle;margin-right:6px;background:var(--c)}
.legend .box{width:12px;height:12px;border-radius:2px}.legend .dot{width:9px;height:9px;border-radius:50%}
.legend .rule{width:18px;height:3px}.legend .dash{width:18px;height:0;background:none;border-top:2px dashed var(--c)}
.legend .shade{width:90px;height:9px;margin:0 6px;border-radius:3px;background:linear-gradient(90deg,#2c6fdb,#8a83c4,#e0344a)}
.heat{border:0;width:auto;margin:8px auto 4px;background:none}
.heat th,.heat td{text-align:center;border:2px solid var(--card);padding:9px 13px;font-variant-numeric:tabular-nums}
.heat td{background:rgba(var(--heat),var(--a));min-width:64px}.heat td.dark{color:#fff}.heat td.dark small{color:#fff;opacity:.9}
.heat th{vertical-align:bottom}.heat th.side{text-align:right;vertical-align:middle;max-width:170px}
@media(prefers-color-scheme:dark){.heat td.dark,.heat td.dark small{color:#0c1118}}
@media(max-width:640px){main{padding:20px 14px 40px}.tiles{grid-template-columns:1fr 1fr}.stack tr:first-child{display:none}.stack tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}
.stack td{display:block;border:0;padding:2px 12px}.stack td:first-child small{min-width:0}}
.few{font-size:13px}.few.heat th,.heat.few td{padding:4px 6px;min-width:34px}
dl{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:5px 20px;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.severity{display:inline-block;font-size:12.5px;font-weight:600;border-radius:4px;padding:0 8px;border:1px solid var(--line)}
.severity.error{color:var(--bad);border-color:var(--bad)}
code,pre{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,"Liberation Mono",monospace;overflow-wrap:anywhere;white-space:pre-wrap}
ul.plain{margin:0 0 12px;padding-left:20px}.grid+.lead{margin-top:10px}
@media print{:root{--page:#fff;--card:#fff;--text:#000;--soft:#444;--line:#ccc;--good:#16794a;--bad:#b42323;--goodbg:#fff;--badbg:#fff;--i1:#2563c9;
--i2:#d9730d;--i3:#16855b;--i4:#8a46c4;--i0:#8a95a3;--heat:37,99,201}body{font-size:12px;print-color-adjust:exact;-webkit-print-color-adjust:exact}
main{max-width:none;padding:0}h2{break-after:avoid}tr{break-inside:avoid}.grid{grid-template-columns:1fr 1fr}}
)css";
}

}  // namespace tenon::evaluate

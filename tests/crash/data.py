#!/usr/bin/env python3
"""Kills `data add`, `data gc` and `data erase` at random moments, and lets their disk run full: what was there is there, what is new is whole or
not there, nothing names what is gone, and going on comes to what an undisturbed run comes to.
Usage: tests/crash/data.py build/bin/tenon [kills of each]"""
import json, pathlib, random, resource, shutil, signal, subprocess, sys, tempfile, time

FILES, ROWS = 24, 3000


def command(*words, check=True, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=300, **more)
    assert not check or done.returncode == 0, f"{' '.join(map(str, words))}: {done.returncode}: {done.stderr[-400:]}"
    return done


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def kill_after(words, seconds):
    process = subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def write_day(folder, day):
    draw = random.Random(day)
    with open(folder / f"{day:02d}.csv", "w") as out:
        out.write("id,amount,town,paid\n")
        for i in range(ROWS):
            out.write(f"k{day * ROWS + i},{draw.random() * 100:.3f},{draw.choice(['Ulm', 'Bonn', 'Graz'])},{draw.randrange(2)}\n")


def project(folder, days):
    (folder / "days").mkdir(parents=True)
    (folder / "tenon.yaml").write_text("problem: {label: paid}\ndata: {read: days/*.csv, incremental: files, key: id}\n")
    for day in range(days):
        write_day(folder / "days", day)
    return folder


def check_whole(tenon, where, when):
    """Doctor is content, and every snapshot that is listed can be read, with rows of whole files only."""
    doctor = command(tenon, "doctor", where, check=False)
    assert doctor.returncode == 0, f"{when}: doctor says {doctor.stdout}{doctor.stderr}"
    listed = lines(command(tenon, "data", "ls", where, "--json"))
    for one in listed:
        shown = lines(command(tenon, "data", "show", one["snapshot"], "--project", where, "--json"))[-1]
        assert shown["rows"] == one["rows"], f"{when}: snapshot {one['snapshot']} has {shown['rows']} rows, not {one['rows']}"
    return listed


def adds(tenon, folder, kills):
    rng, days = random.Random(1), project(folder / "adds", 1)
    killed = whole = 0
    for day in range(kills):
        for extra in range(FILES // 6):
            write_day(days / "days", 1 + day * (FILES // 6) + extra)
        started = time.monotonic()
        if day == 0:
            command(tenon, "data", "add", days)
            whole = time.monotonic() - started
            continue
        killed += kill_after([tenon, "data", "add", days], rng.random() * whole * 1.1)
        for one in check_whole(tenon, days, f"add {day}"):
            assert one["rows"] % ROWS == 0, f"add {day}: {one['rows']} rows are no whole files"
    last = lines(command(tenon, "data", "add", days, "--json"))[-1]
    fresh = shutil.copytree(days, folder / "adds-fresh", ignore=shutil.ignore_patterns(".tenon"))
    wanted = lines(command(tenon, "data", "add", fresh, "--json"))[-1]
    assert last["snapshot"] == wanted["snapshot"], f"{last['snapshot']} after {killed} kills, {wanted['snapshot']} undisturbed"
    print(f"adds: {killed} of {kills - 1} killed, the last snapshot ({last['rows']} rows) is the undisturbed one")
    return days


def clearings(tenon, folder, kills):
    rng, killed, whole = random.Random(2), 0, 0
    where = folder / "clearings"
    for attempt in range(kills):
        if attempt % 2 == 0:  # anew: there is something to clear
            shutil.rmtree(where, ignore_errors=True)
            project(where, 1)
            for day in range(1, 8):
                write_day(where / "days", day)
                command(tenon, "data", "add", where)
        before = lines(command(tenon, "data", "ls", where, "--json"))
        words = [tenon, "data", "gc", where, "--keep", "1", "--apply"]
        if not attempt:  # undisturbed, on a copy: how long it takes
            copy = shutil.copytree(where, folder / "clearings-copy")
            started = time.monotonic()
            command(*words[:3], copy, *words[4:])
            whole = time.monotonic() - started
        killed += kill_after(words, rng.random() * whole)
        after = check_whole(tenon, where, f"gc {attempt}")
        assert after[-1]["snapshot"] == before[-1]["snapshot"], f"gc {attempt}: the newest snapshot is gone"
        assert lines(command(tenon, "data", "add", where, "--json"))[-1]["read"] == 0, f"gc {attempt}: what was read is not known any more"
    command(tenon, "data", "gc", where, "--keep", "1", "--apply")
    assert len(check_whole(tenon, where, "after gc")) == 1
    assert killed > 0, "none was killed"
    print(f"clearings: {killed} of {kills} killed, none lost what is needed")


def erasures(tenon, folder, kills):
    rng, killed, gone, whole = random.Random(3), 0, 0, 0
    where = project(folder / "erasures", 6)
    for day in range(6, 9):
        command(tenon, "data", "add", where)
        write_day(where / "days", day)
    for attempt in range(kills):
        key = f"k{rng.randrange(6 * ROWS)}"
        words = [tenon, "data", "erase", key, "--project", where, "--apply"]
        started = time.monotonic()
        if attempt:
            killed += kill_after(words, rng.random() * whole)
        else:
            command(*words)
            whole = time.monotonic() - started
        listed = check_whole(tenon, where, f"erasure {attempt}")
        left = lines(command(tenon, "data", "erase", key, "--project", where, "--json"))[-1]
        assert len(left["snapshots"]) in (0, len(listed)), f"erasure {attempt}: {len(left['snapshots'])} of {len(listed)} snapshots have the row still"
        gone += not left["snapshots"]
        command(tenon, "data", "erase", key, "--project", where, "--apply")
        found = lines(command(tenon, "data", "lineage", "--key", key, "--project", where, "--json"))[-1]["snapshots"]
        assert not found, f"erasure {attempt}: {found}"
    assert lines(command(tenon, "data", "add", where, "--json"))[-1]["rows"] == 9 * ROWS - kills
    assert 0 < killed and gone < kills, (killed, gone)
    print(f"erasures: {killed} of {kills} killed, {gone} done before all the same; all are gone, and stay so when the files are read again")


def small_files(tenon, folder, kills):
    """No file may grow beyond some size: as on a full disk, of which it says so; with room it goes on."""
    where, refused = project(folder / "small", 3), 0
    command(tenon, "data", "add", where)
    before = lines(command(tenon, "data", "ls", where, "--json"))
    for day in range(3, 9):
        write_day(where / "days", day)
    for kilobytes in (1, 4, 16, 64, 128, 256, 512):
        def limit(size=kilobytes * 1024):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        done = command(tenon, "data", "add", where, check=False, preexec_fn=limit)
        if done.returncode == 0:
            break
        refused += 1
        assert "error" in done.stderr, f"{kilobytes} kB: {done.returncode} {done.stderr}"
        after = check_whole(tenon, where, f"{kilobytes} kB a file")
        assert after == before, f"{kilobytes} kB a file: {after} instead of {before}"
    assert refused >= 3, f"refused {refused} times only"
    assert lines(command(tenon, "data", "add", where, "--json"))[-1]["rows"] == 9 * ROWS
    print(f"small files: {refused} times refused and said so, nothing half; with room it went on")


def full_disk(tenon, folder, kills):
    for flags in (["-m"], ["-rm"]):
        if subprocess.run(["unshare", *flags, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode == 0:
            ran = subprocess.run(["unshare", *flags, sys.executable, __file__, tenon, "--on-a-small-disk", folder], timeout=1200)
            assert ran.returncode == 0, "see above"
            return
    print("full disk: skipped, this user may mount nothing here (unshare -rm mount -t tmpfs is refused)")


def on_a_small_disk(tenon, folder):
    disk = folder / "disk"
    disk.mkdir()
    command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk)
    where = project(disk / "p", 2)
    command(tenon, "data", "add", where)
    full = 0
    for day in range(2, 12):
        write_day(where / "days", day)
    before = lines(command(tenon, "data", "ls", where, "--json"))
    used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*")) // 1024
    for room in (4, 16, 64, 128, 256, 512, 1024, 2048, 4096):
        command("mount", "-o", f"remount,size={used + room}k", disk)
        done = command(tenon, "data", "add", where, check=False)
        if done.returncode == 0:
            break
        full += 1
        assert done.returncode == 8 and any(word in done.stderr for word in ("make room", "full", "No space left")), f"{room} kB of room: {done.returncode} {done.stderr}"
        command("mount", "-o", f"remount,size={used + room + 4096}k", disk)
        after = check_whole(tenon, where, f"{room} kB of room")
        assert after == before, f"{room} kB of room: {after}"
    command("mount", "-o", "remount,size=64m", disk)
    last = lines(command(tenon, "data", "add", where, "--json"))[-1]
    assert last["rows"] == 12 * ROWS and full >= 3, (last, full)
    # A key is erased on a disk that has no room for it: all or nothing.
    used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*")) // 1024
    command("mount", "-o", f"remount,size={used + 64}k", disk)
    done = command(tenon, "data", "erase", "k5", "--project", where, "--apply", check=False)
    assert done.returncode == 8, f"erase on a full disk: {done.returncode} {done.stderr}"
    command("mount", "-o", "remount,size=64m", disk)
    check_whole(tenon, where, "an erasure on a full disk")
    command(tenon, "data", "erase", "k5", "--project", where, "--apply")
    assert lines(command(tenon, "data", "lineage", "--key", "k5", "--project", where, "--json"))[-1]["snapshots"] == []
    print(f"full disk: {full} adds met its end and said so, nothing half; an erasure waited for room")


def main():
    tenon = pathlib.Path(sys.argv[1]).resolve()
    if sys.argv[2:3] == ["--on-a-small-disk"]:
        return on_a_small_disk(tenon, pathlib.Path(sys.argv[3]))
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    folder = pathlib.Path(tempfile.mkdtemp(prefix="crash-data-"))
    failed = 0
    try:
        for test in (adds, clearings, erasures, small_files, full_disk):
            try:
                test(tenon, folder, kills)
            except (AssertionError, subprocess.SubprocessError) as problem:
                print(f"{test.__name__}: FAILED: {problem}")
                failed += 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()

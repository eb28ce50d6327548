"""Service lines by Checkmk's grammar, and the files that carry them, written in a real directory."""

import os
import socket
import stat
from pathlib import Path

import pytest
from checkmk_grammar import parse_local_line
from hypothesis import example, given
from hypothesis import strategies as st

from job_tracker.errors import OutputError
from job_tracker.outputs.checkmk.files import StatusFiles, services_text, state_file_name
from job_tracker.outputs.checkmk.line import perfdata, service_line

GOLDEN = Path(__file__).parents[1] / "golden"
ANY_TEXT = st.text(st.characters(exclude_categories=()))

HOSTILE_TEXTS = [
    "",
    " ",
    "\n",
    "\\n",
    "\\n starts with it",
    r"C:\new\names",
    r"\\n",
    "two\nlines\r\nand a NUL\0",
    "<<<check_mk>>>",
    "<<<<otherhost>>>>",
    "lone \ud800 surrogate",
    "next line \x85 and separators \u2028\u2029",
    "tab\tand  many   spaces ",
    "quotes \" and ' | pipes",
    "Größe überschritten …",
    "x" * 501,
    "\\" * 600 + "n",
    "y" * 498 + "   z",
]


def line_of(text: str, status: int = 0) -> str:
    return service_line(status=status, service="job_LOAD__P", text=text)


def test_hostile_texts_and_names_render_as_the_golden_file_says() -> None:
    """The operator's screen shows these lines; a change of them is to be seen and wanted."""
    names = ["job_LOAD_DWH__P", "", 'two words "quoted"', "<<<x>>>", "Größe__P", "../../etc/passwd", "a\0b\nc"]
    lines = [line_of(text, status=2) for text in HOSTILE_TEXTS]
    lines += [service_line(status=1, service=name, text="text") for name in names]
    lines.append(
        service_line(
            status=0, service="job_LOAD__P", text="text", perfdata=perfdata({"job_duration": 12.5, "errors": 0})
        )
    )

    text = services_text(lines[-7:], written=1795400000.9, stale_after=60.2, zone="Europe/Berlin")

    compare_with_golden("service_lines.txt", "".join(lines))
    compare_with_golden("services_file.txt", text)


def compare_with_golden(name: str, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert (GOLDEN / name).read_text(encoding="utf-8") == text


@given(status=st.sampled_from([0, 1, 2, 3]), service=ANY_TEXT, text=ANY_TEXT, perf=ANY_TEXT)
@example(status=2, service="", text="\\n", perf="=1|")
@example(status=2, service="'", text="\ud800", perf="a=nan")
def test_whatever_goes_in_the_line_is_one_that_checkmk_reads_with_the_same_status(
    status: int, service: str, text: str, perf: str
) -> None:
    """A status lost in a broken line is an alarm that nobody sees."""
    line = service_line(status=status, service=service, text=text, perfdata=perf)

    parsed = parse_local_line(line)

    assert parsed.status == status
    assert len(parsed.text) <= 500


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_hostile_text_keeps_the_status(text: str) -> None:
    """An empty text or a leading backslash-n loses the state or crashes the check in some versions."""
    assert parse_local_line(line_of(text, status=2)).status == 2


def test_a_long_text_is_cut_to_500_characters_with_a_mark() -> None:
    """Who reads a cut text must see that it was cut."""
    text = parse_local_line(line_of("x" * 600)).text

    assert text == "x" * 200 + " … " + "x" * 297


def test_a_status_that_checkmk_does_not_have_is_refused() -> None:
    """It would be shown as UNKNOWN with a reason that helps nobody."""
    with pytest.raises(ValueError, match="status"):
        line_of("text", status=4)


def test_a_name_and_a_text_that_are_safe_stay_as_they_are() -> None:
    """The service must be found under the name that the configuration promises."""
    line = service_line(status=0, service="job_LOAD_DWH.v2-x__P", text="OK: it's (fine) | <b> C:\\temp")

    assert line == "0 job_LOAD_DWH.v2-x__P - OK: it's (fine) | <b> C:\\temp\n"


@given(st.dictionaries(ANY_TEXT, st.integers() | st.floats()))
@example({"": 1})
@example({"a": float("nan"), "b": float("inf"), "c": 10**5000})
@example({"ß": 1e300, "9": -1e-9, "a=b|c": 0.1})
def test_any_metrics_become_perfdata_that_checkmk_reads(metrics: dict[str, float | int]) -> None:
    """A trailing bar, an empty name or a missing = makes the whole service UNKNOWN or crashes the check."""
    rendered = perfdata(metrics)

    line = service_line(status=0, service="job", text="text", perfdata=rendered)

    assert line.split(" ")[2] == rendered
    parse_local_line(line)


def test_numbers_are_written_plainly() -> None:
    """An operator reads them in the state file, too."""
    assert perfdata({}) == "-"
    assert perfdata({"duration": 12.50, "errors": 3, "gap": 1e-9}) == "duration=12.5|errors=3|gap=0"


@pytest.mark.parametrize("key", ["", "../x", "a/b", "a b", "a\n", "ä", "a\0"])
def test_a_key_that_could_leave_the_directory_has_no_state_file_name(key: str) -> None:
    """The file's name is made from the configuration, and the daemon may run as root."""
    with pytest.raises(ValueError, match="file name"):
        state_file_name(key)


def test_of_two_lines_with_one_name_the_first_stays() -> None:
    """Checkmk takes the last one, and so a job could stand in for the daemon's own service."""
    text = services_text(
        ["0 job_tracker - mine\n", "2 a - a\n", "1 job_tracker - planted\n"], written=1, stale_after=60
    )

    assert text == "# job_tracker services 1 1 60\n0 job_tracker - mine\n2 a - a\n# end\n"


def test_files_have_their_mode_whatever_the_umask(tmp_path: Path) -> None:
    """The agent's side reads the file as another user; a daemon with umask 077 must not blind it."""
    before = os.umask(0o077)
    try:
        files = StatusFiles(tmp_path)
        files.begin({"A__P": line_of("a")})
        files.services([line_of("a")], written=1, stale_after=60)
    finally:
        os.umask(before)

    assert [stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()] == [0o644, 0o644]


def test_links_are_replaced_and_never_written_through(tmp_path: Path) -> None:
    """A link planted at the name, or at the temporary name, must not lead the daemon's pen elsewhere."""
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    file, temporary = tmp_path / "job_tracker.services", tmp_path / ".job_tracker.services.tmp"
    file.symlink_to(victim)
    temporary.symlink_to(victim)

    StatusFiles(tmp_path).services([line_of("a")], written=1, stale_after=60)

    assert victim.read_text() == "untouched"
    assert not file.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["job_tracker.services", "victim"]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    """Whole or nothing: neither half a file nor a temporary one stays."""
    (tmp_path / "job_tracker.services").mkdir()

    with pytest.raises(OutputError, match=str(tmp_path)):
        StatusFiles(tmp_path).services([line_of("a")], written=1, stale_after=60)

    assert os.listdir(tmp_path) == ["job_tracker.services"]


def test_a_missing_directory_is_an_output_error(tmp_path: Path) -> None:
    """The loop goes on; it must not meet a bare OSError."""
    with pytest.raises(OutputError, match="No such file"):
        StatusFiles(tmp_path / "missing").services([line_of("a")], written=1, stale_after=60)


def test_begin_writes_all_and_removes_what_belongs_to_no_job(tmp_path: Path) -> None:
    """A state file of a job that was taken out of the configuration would be read for ever."""
    (tmp_path / "job_tracker.OLD__P.state").write_text("2 job_OLD__P - ERROR\n")
    (tmp_path / "job_tracker.LINK__P.state").symlink_to("/nowhere")
    (tmp_path / ".job_tracker.OLD__P.state.tmp").write_text("half a li")

    StatusFiles(tmp_path).begin({"A__P": line_of("a"), "B__P": line_of("b")})

    assert sorted(os.listdir(tmp_path)) == ["job_tracker.A__P.state", "job_tracker.B__P.state"]
    assert (tmp_path / "job_tracker.A__P.state").read_text() == line_of("a")


def test_begin_leaves_alone_what_is_not_ours(tmp_path: Path) -> None:
    """The directory may be /var/run, where every daemon of the host keeps something."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "job_tracker.socket.state"))
        others = ["sshd.pid", "job_tracker.pid", "job_tracker.services", ".other.tmp", "xjob_tracker.A__P.state"]
        for name in others:
            (tmp_path / name).write_text("")
        (tmp_path / "job_tracker.directory.state").mkdir()

        StatusFiles(tmp_path).begin({})

        assert sorted(os.listdir(tmp_path)) == sorted(
            [*others, "job_tracker.socket.state", "job_tracker.directory.state"]
        )


def test_a_line_that_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    """One message changes one file; with ten thousand jobs the others must cost nothing."""
    files = StatusFiles(tmp_path)
    files.begin({"A__P": line_of("a")})
    before = (tmp_path / "job_tracker.A__P.state").stat().st_ino

    files.update({"A__P": line_of("a")})
    unchanged = (tmp_path / "job_tracker.A__P.state").stat().st_ino
    files.update({"A__P": line_of("b")})

    assert unchanged == before
    assert (tmp_path / "job_tracker.A__P.state").read_text() == line_of("b")


def test_a_removed_job_loses_its_file_and_may_come_back(tmp_path: Path) -> None:
    """A reload that takes a job out and another that brings it back must both be seen."""
    files = StatusFiles(tmp_path)
    files.begin({"A__P": line_of("a")})

    files.begin({})
    removed = os.listdir(tmp_path)
    files.begin({"A__P": line_of("a")})

    assert removed == []
    assert os.listdir(tmp_path) == ["job_tracker.A__P.state"]


def test_a_file_that_refuses_keeps_no_other_waiting_and_is_tried_again(tmp_path: Path) -> None:
    """One obstacle must not blind the monitoring for all jobs, nor be forgotten once it is gone."""
    obstacle = tmp_path / "job_tracker.A__P.state"
    obstacle.mkdir()
    files = StatusFiles(tmp_path)
    with pytest.raises(OutputError, match=r"job_tracker\.A__P\.state"):
        files.begin({"A__P": line_of("a"), "B__P": line_of("b")})
    with pytest.raises(OutputError):
        files.services([line_of("x")], written=1, stale_after=60, zone="UTC")
    while_refused = sorted(os.listdir(tmp_path))

    obstacle.rmdir()
    files.services([line_of("x")], written=2, stale_after=60, zone="UTC")

    assert while_refused == ["job_tracker.A__P.state", "job_tracker.B__P.state", "job_tracker.services"]
    assert obstacle.read_text() == line_of("a")


def test_a_directory_made_anew_is_filled_again(tmp_path: Path) -> None:
    """A tmpfs directory that was tidied away while the daemon ran must not stay empty until each job changes."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    files = StatusFiles(run_dir)
    files.begin({"A__P": line_of("a")})
    run_dir.rename(tmp_path / "old")
    with pytest.raises(OutputError):
        files.services([], written=1, stale_after=60, zone="UTC")

    run_dir.mkdir()
    files.services([], written=2, stale_after=60, zone="UTC")

    assert (run_dir / "job_tracker.A__P.state").read_text() == line_of("a")


def test_the_services_file_says_when_it_was_written_and_when_it_is_stale(tmp_path: Path) -> None:
    """The local check judges the age; rounding must never make fresh data look newer or stale sooner."""
    StatusFiles(tmp_path).services([line_of("x")], written=1795400000.9, stale_after=60.2, zone="Europe/Berlin")

    text = (tmp_path / "job_tracker.services").read_text()

    assert text == f"# job_tracker services 1 1795400000 61 Europe/Berlin\n{line_of('x')}# end\n"

"""The command line: what may be asked for, and how its end is told."""

import os
import sys

from .ground import IDLE, VERSION, InputError, QueueError, argparse, complain, describe, re
from .manual import ADD, COUNT, LIST, MANUAL, REMOVE, RUN, SERVE, STATS, VACUUM
from .messages import checked_timestamp
from .run import do_run, run_without_us
from .serve import do_serve
from .verbs import PLAIN, do_add, do_count, do_list, do_remove, do_stats, do_vacuum


def octal_mode(text):
    if not re.match(r"^[0-7]?7[0-7][0-7]$", text):
        raise argparse.ArgumentTypeError("must be octal and give the owner all rights, as 0700 or 2770")
    return int(text, 8)


def seconds_since_1970(text):
    try:
        return checked_timestamp(float(text), "it", "")
    except (ValueError, InputError):
        raise argparse.ArgumentTypeError("must be a number of seconds since 1970") from None


def whole_number(text):
    if not re.match(r"^-?[0-9]{1,18}$", text):
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


def positive_seconds(text):
    if not re.match(r"^[0-9]{1,6}(\.[0-9]+)?$", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError("must be a number of seconds")
    return float(text)


def make_parser():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="message-queue.py",
        description=MANUAL.split("\n\n")[0],
        epilog=MANUAL.split("\n\n", 1)[1],
        formatter_class=raw,
    )
    _add_common(parser)
    parser.add_argument("--version", action="version", version="message-queue.py " + VERSION)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", prog="message-queue.py -f QUEUE")
    verbs.required = True  # not an argument of add_subparsers before Python 3.7

    def verb(name, function, summary, text):
        made = verbs.add_parser(name, help=summary, description=text, formatter_class=raw)
        made.set_defaults(function=function)
        _add_common(made)
        return made

    _add_add(verb("add", do_add, "store a message, or many", ADD))

    shown = verb("list", do_list, "print messages", LIST)
    shown.add_argument("-i", "--id", type=whole_number, metavar="N", help="only the message with this _id")
    shown.add_argument("--since", type=seconds_since_1970, metavar="EPOCH", help="only with this timestamp or later")

    remove = verb("remove", do_remove, "print messages and remove them", REMOVE)
    remove.add_argument("-i", "--id", type=whole_number, metavar="N", help="only the message with this _id")
    remove.add_argument("--before", type=seconds_since_1970, metavar="EPOCH", help="only with an earlier timestamp")

    verb("count", do_count, "print the number of messages", COUNT)
    stats = verb("stats", do_stats, "print what there is to know about the queue", STATS)
    stats.add_argument("--json", action="store_true", help="as one JSON object")
    verb("vacuum", do_vacuum, "make the file as small as it can be", VACUUM)

    _add_run(verb("run", do_run, "run a command and note its start and its end", RUN))

    serve = verb("serve", do_serve, "let the tracker drain the queue", SERVE)
    serve.add_argument("--idle", type=positive_seconds, default=IDLE, metavar="SECONDS", help="default 60")
    return parser


def _add_common(parser):
    """The options that may stand before or after the verb; without defaults, so that neither place undoes the other."""
    none = argparse.SUPPRESS
    parser.add_argument("-f", "--file", default=none, metavar="QUEUE", help="the queue's file")
    parser.add_argument(
        "--mode",
        type=octal_mode,
        default=none,
        help="mode of the queue's directory, if it is missing and is made; default 0700, 2770 shares it with its group",
    )


def _add_add(add):
    add.add_argument("-j", "--json", metavar="JSON", help="the message as a JSON object, or - to read stdin")
    for name in PLAIN:
        metavar = {"exit_code": "N", "timestamp": "EPOCH"}.get(name)
        # Without a value, as an unset variable leaves it, an option is empty and not an error: see `add --help`.
        add.add_argument("--" + name.replace("_", "-"), nargs="?", const="", metavar=metavar)


def _add_run(run):
    run.usage = "message-queue.py -f QUEUE run --instance I --job J [options] -- COMMAND"
    value = {
        "nargs": "?",
        "const": "",
    }  # an option that an unset variable has left without one must cost no job its run
    run.add_argument("--instance", required=True, **value)
    run.add_argument("--job", required=True, **value)
    run.add_argument("--run", metavar="ID", help="the run's id; default random", **value)
    for name, default in (("start", "STARTED"), ("error", "ERROR"), ("success", "SUCCESS")):
        option, text = "--{}-event".format(name), "default " + default
        run.add_argument(option, default=default, metavar="WORD", help=text, **value)
    run.add_argument("--warning-event", metavar="WORD", help="default: that of a success", **value)
    run.add_argument("--success-codes", metavar="CODES", help="exit codes that are a success, as 0,24,30-35", **value)
    run.add_argument("--warning-codes", metavar="CODES", help="exit codes that are a warning", **value)
    tail = "note the last N lines of the error output of a run that ended badly"
    run.add_argument("--tail", metavar="N", help=tail, **value)
    run.add_argument("--tail-stdout", action="store_true", help="and those of its output")
    mask = "note *** instead of what this matches"
    run.add_argument("--mask", metavar="REGEX", action="append", help=mask, **value)


def parse(argv):
    """The arguments; the command of `run` is cut off before argparse sees it, whose ideas of `--` vary by version."""
    command = command_of(argv)
    if command is not None:
        argv = argv[: argv.index("--")]
    elif verb_of(argv) == "add":
        argv = joined(argv)
    parser = make_parser()
    arguments, rest = parser.parse_known_args(argv)
    if not hasattr(arguments, "file"):
        parser.error("the following arguments are required: -f/--file")
    arguments.mode = getattr(arguments, "mode", 0o700)
    if rest and arguments.verb == "run" and command is None:
        parser.error("run: the command stands after --, as in: run --instance I --job J -- {}".format(" ".join(rest)))
    if arguments.verb == "run":
        if not command:
            parser.error("run: the command is missing; it stands after --")
        arguments.command = command
    if arguments.verb == "add":
        if arguments.json is not None and any(getattr(arguments, name) is not None for name in PLAIN):
            parser.error("add: either -j or the single options")
        if arguments.json is None:
            arguments.rest, rest = rest, []  # a message is not lost for the sake of what is too much
    if rest:
        parser.error("unrecognized arguments: {}".format(" ".join(rest)))
    return arguments


def verb_of(argv):
    """The first argument that is neither an option nor the value of one; None if there is none."""
    rest = iter(argv)
    for each in rest:
        if each in ("-f", "--file", "--mode"):
            next(rest, None)
        elif not each.startswith("-"):
            return each
    return None


def command_of(argv):
    """What stands behind the -- of a `run`; None where there is none."""
    return argv[argv.index("--") + 1 :] if verb_of(argv) == "run" and "--" in argv else None


def joined(argv):
    """The arguments of `add`, each value that begins with a dash tied to its option: argparse would refuse it."""
    options = ["--" + name.replace("_", "-") for name in PLAIN]
    known = {*options, "-f", "--file", "--mode", "-j", "--json", "-h", "--help", "--version"}
    made = []
    for each in argv:
        if made and made[-1] in options and each.startswith("-") and each.split("=")[0] not in known:
            made[-1] += "=" + each
        else:
            made.append(each)
    return made


def main(argv):
    try:
        arguments = parse(argv)
    except ImportError:  # this Python lacks a module
        command = command_of(argv)
        if not command:
            raise
        complain("not noted: the command line cannot be read, {}".format(describe(sys.exc_info()[1])))
        return run_without_us(command)
    try:
        return arguments.function(arguments)
    except InputError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except (QueueError, OSError, MemoryError) as error:
        if not isinstance(error, BrokenPipeError):  # `list | head`: nobody wants the rest
            complain(describe(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered would be complained about once more
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

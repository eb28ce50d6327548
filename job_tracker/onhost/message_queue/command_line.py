"""The command line: what may be asked for, and how its end is told."""

import argparse
import os
import re
import sqlite3
import sys

from .ground import IDLE, VERSION, InputError, QueueError, complain, describe
from .manual import ADD, COUNT, LIST, MANUAL, REMOVE, RUN, SERVE, STATS, VACUUM
from .messages import checked_timestamp
from .run import do_run
from .serve import do_serve
from .verbs import do_add, do_count, do_list, do_remove, do_stats, do_vacuum


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
        prog="message-queue.py", description=MANUAL.split("\n")[0], epilog=MANUAL.split("\n", 2)[2], formatter_class=raw
    )
    parser.add_argument("-f", "--file", required=True, metavar="QUEUE", help="the queue's file")
    parser.add_argument(
        "--mode",
        type=octal_mode,
        default=0o700,
        help="mode of the queue's directory, if it is missing and is made; default 0700, 2770 shares it with its group",
    )
    parser.add_argument("--version", action="version", version="message-queue.py " + VERSION)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", prog="message-queue.py -f QUEUE")
    verbs.required = True  # not an argument of add_subparsers before Python 3.7

    def verb(name, function, summary, text):
        made = verbs.add_parser(name, help=summary, description=text, formatter_class=raw)
        made.set_defaults(function=function)
        return made

    add = verb("add", do_add, "store a message, or many", ADD)
    add.add_argument("-j", "--json", metavar="JSON", help="the message as a JSON object, or - to read stdin")
    for name in ("instance", "job", "event", "message", "run", "uid"):
        add.add_argument("--" + name)
    add.add_argument("--exit-code", type=whole_number, metavar="N")
    add.add_argument("--timestamp", type=seconds_since_1970, metavar="EPOCH")

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

    run = verb("run", do_run, "run a command and note its start and its end", RUN)
    run.usage = "message-queue.py -f QUEUE run --instance INSTANCE --job JOB [options] -- COMMAND..."
    run.add_argument("--instance", required=True)
    run.add_argument("--job", required=True)
    run.add_argument("--run", metavar="ID", help="the run's id; default random")
    for name, default in (("start", "STARTED"), ("error", "ERROR"), ("success", "SUCCESS")):
        run.add_argument("--{}-event".format(name), default=default, metavar="WORD", help="default " + default)

    serve = verb("serve", do_serve, "let the tracker drain the queue", SERVE)
    serve.add_argument("--idle", type=positive_seconds, default=IDLE, metavar="SECONDS", help="default 60")
    return parser


def parse(argv):
    """The arguments; the command of `run` is cut off before argparse sees it, whose ideas of `--` vary by version."""
    command = None
    if "--" in argv and "run" in argv[: argv.index("--")]:
        at = argv.index("--")
        argv, command = argv[:at], argv[at + 1 :]
    parser = make_parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.verb == "run" and command is None:
        parser.error("run: the command stands after --, as in: run --instance I --job J -- {}".format(" ".join(rest)))
    if rest:
        parser.error("unrecognized arguments: {}".format(" ".join(rest)))
    if arguments.verb == "run":
        if not command:
            parser.error("run: the command is missing; it stands after --")
        arguments.command = command
    if arguments.verb == "add" and arguments.json is not None:
        plain = ("instance", "job", "event", "message", "run", "uid", "exit_code", "timestamp")
        if any(getattr(arguments, name) is not None for name in plain):
            parser.error("add: either -j or the single options")
    return arguments


def main(argv):
    arguments = parse(argv)
    try:
        return arguments.function(arguments)
    except InputError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        return 130
    except (QueueError, sqlite3.Error, OSError, MemoryError) as error:
        if not isinstance(error, BrokenPipeError):  # `list | head`: nobody wants the rest
            complain(describe(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered would be complained about once more
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

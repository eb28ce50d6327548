"""For all tests: the signals' dispositions are what a terminal would give, whoever started us.

A background job or `nohup` hands ignored signals down to every child; a test that sends one would wait for ever.
"""

import signal

for number, handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

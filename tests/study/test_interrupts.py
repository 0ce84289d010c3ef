import os
import signal
import threading

import pytest

from hashlens.study.interrupts import delayed_interrupts


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_waits_for_the_end_of_the_body():
    reached = []
    with pytest.raises(KeyboardInterrupt), delayed_interrupts():
        press()
        press()
        reached.append("end")
    assert reached == ["end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nested_bodies_all_end_first():
    reached = []
    with pytest.raises(KeyboardInterrupt), delayed_interrupts():
        with delayed_interrupts():
            press()
        reached.append("outer")
    assert reached == ["outer"]


def test_other_threads_and_other_ways_to_handle_it_are_left_alone():
    seen = []

    def look():
        with delayed_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        look()
    finally:
        signal.signal(signal.SIGINT, usual)
    assert seen == [signal.default_int_handler, signal.SIG_IGN]

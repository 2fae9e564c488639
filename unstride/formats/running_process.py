"""Tells whether a process is running, on any system."""

import ctypes
import os
import sys

QUERY_LIMITED_INFORMATION = 0x1000  # access right of Windows' OpenProcess
ACCESS_DENIED = 5  # error code of Windows: the process is there, but belongs to someone else
STILL_ACTIVE = 259  # exit code, on Windows, of a process that has not ended


def is_running(pid: int) -> bool:
    """Whether there is a process of this number. It may be another program than once was."""
    if sys.platform == "win32":
        return _is_running_on_windows(pid)  # os.kill would end it, whatever the signal
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is someone else's
    return True


def _is_running_on_windows(pid: int) -> bool:
    windows = vars(ctypes)  # the names below are not there on other systems
    kernel = windows["WinDLL"]("kernel32", use_last_error=True)
    process = kernel.OpenProcess(QUERY_LIMITED_INFORMATION, False, pid)
    if not process:
        return windows["get_last_error"]() == ACCESS_DENIED
    exit_code = ctypes.c_ulong()
    is_answered = kernel.GetExitCodeProcess(process, ctypes.byref(exit_code))
    kernel.CloseHandle(process)
    return not is_answered or exit_code.value == STILL_ACTIVE

"""A bench of emulated boards on simulated USB cables, which unmodified pyOCD flashes and debugs.

Each board is a process with a QEMU that keeps its power between debug sessions, a pty for its UART and a SWD probe. A
program that is started with the bench's environment finds the probe through pyOCD and the port through pyserial's
`comports()`, both by USB serial number:

    with VirtualBench(tmp_path) as bench:
        board = bench.plug("microbit", serial_number="9900000031864e45", usb="0d28:0204")
        subprocess.run([sys.executable, "-m", "pyocd", "list"], env=bench.environment)
        subprocess.run(["pyocd", "flash", "-t", "nrf51", "-u", board.serial_number, "a.elf"], env=bench.environment)
        with serial.Serial(board.port, 115200) as line: ...
        board.fault("unplug", after=200)  # pulls the cable with the 200th transfer from now on
        board.plug_in()  # board.port is another one now
"""

from .bench import VirtualBench, VirtualBoard

__all__ = ["VirtualBench", "VirtualBoard"]

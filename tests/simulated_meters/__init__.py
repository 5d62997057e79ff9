"""Power meters that are programs: they speak the real protocol at the other end of a pty, faults included."""

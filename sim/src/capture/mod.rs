//! Packet captures: pcapng with nanosecond virtual timestamps.

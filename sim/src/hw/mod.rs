//! Hardware models at register level, behind embedded-hal.

//! Plan in, session out: owns every link; dropping it detaches all. The only user of aya programs.

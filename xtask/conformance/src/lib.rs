//! Empty: the package stands for its dependencies.

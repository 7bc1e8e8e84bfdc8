//! Scenario files: schema, plan, registry and runner; the glue that puts stack, devices and web into sim.

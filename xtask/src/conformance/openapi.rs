//! Descriptions of apps, held against the schema of OpenAPI 3.1 and what its text asks beyond that.

use super::{Case, Ground};
use crate::{Outcome, shell};

/// Each error on a line of its own, and none if there is none.
const VALIDATE: &str = "\
import json, sys, urllib.request
from openapi_spec_validator import OpenAPIV31SpecValidator
with urllib.request.urlopen(sys.argv[1]) as answer:
    document = json.load(answer)
assert document['openapi'].startswith('3.1.') and document['paths']
for error in OpenAPIV31SpecValidator(document).iter_errors():
    print('/'.join(map(str, error.absolute_path)), error.message.splitlines()[0])
";

const PATH: &str = "/docs/openapi.json";

/// One case, and wrong is all that is told of it.
pub(super) fn run(ground: &Ground) -> Outcome<Vec<Case>> {
    let told = shell::read(ground.program("python").args(["-c", VALIDATE]).arg(ground.url(PATH)))?;
    Ok(vec![Case::new(PATH, (!told.trim().is_empty()).then(|| told.trim().to_owned()))])
}

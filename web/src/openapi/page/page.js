// Shows an OpenAPI document: each operation with its types, and a form to try it by.
const address = document.querySelector("script[data-document]").dataset.document;
const place = document.getElementById("operations");

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
const pretty = (value) => JSON.stringify(value, null, 2);

// What a $ref names, within the document.
const follow = (api, schema) =>
  schema?.$ref ? follow(api, schema.$ref.slice(2).split("/").reduce((at, key) => at?.[key], api)) : schema ?? {};

// A value that a schema allows, to begin with.
const example = (api, schema, depth = 0) => {
  const own = follow(api, schema);
  if (own.default !== undefined) return own.default;
  if (own.enum) return own.enum[0];
  if (own.const !== undefined) return own.const;
  const some = own.oneOf ?? own.anyOf;
  if (some) return example(api, some[0], depth);
  const type = Array.isArray(own.type) ? own.type[0] : own.type;
  if (depth > 6) return null;
  if (type === "object")
    return Object.fromEntries(Object.entries(own.properties ?? {}).map(([key, inner]) => [key, example(api, inner, depth + 1)]));
  if (type === "array") return own.items ? [example(api, own.items, depth + 1)] : [];
  return { integer: Math.max(0, own.minimum ?? 0), number: 0, boolean: false, string: "" }[type] ?? null;
};

const typeName = (schema) =>
  schema.$ref?.split("/").pop() ?? ([schema.type].flat().filter(Boolean).join(" or ") + (schema.format ? ` (${schema.format})` : "") || "any");

const body = (content) => {
  const [type, { schema } = {}] = Object.entries(content ?? {})[0] ?? [];
  return type && { type, schema };
};

const MULTIPART = "multipart/form-data";

// The parts of a form with files, each with what is said of it.
const parts = (api, schema) => follow(api, schema).properties ?? {};

// Where an operation is asked, relative to where the document is.
const serverOf = (api, operation) => {
  const { url = "/", variables = {} } = (operation.servers ?? api.servers)?.[0] ?? {};
  const filled = url.replace(/{(\w+)}/g, (_, name) => variables[name]?.default ?? "");
  return new URL(filled, new URL(address, document.baseURI));
};

// What whoever asks has said of themselves, by scheme; it is gone with the page.
const known = {};
const utf8 = (text) => String.fromCharCode(...new TextEncoder().encode(text));

// The header field for one of the alternatives of an operation, if what it takes is known.
function authorisation(api, operation) {
  const names = (operation.security ?? []).flatMap((shown) => Object.keys(shown));
  const { scheme } = names.map((name) => api.components.securitySchemes[name]).find(({ scheme }) => known[scheme]) ?? {};
  if (scheme === "bearer") return `Bearer ${known.bearer}`;
  return scheme && `Basic ${btoa(utf8(known.basic))}`;
}

// A form that asks once for what operations take.
function who(schemes) {
  const form = make("form", { className: "inside" });
  for (const { scheme } of schemes) {
    const isToken = scheme === "bearer";
    if (!isToken) form.append(...field("name", "Name", "basic", { name: "name", autocomplete: "username" }));
    form.append(...field(scheme, isToken ? "Token" : "Password", scheme, { name: scheme, type: "password", autocomplete: isToken ? "off" : "current-password" }));
  }
  const told = make("p", { ariaLive: "polite" });
  form.append(make("button", { textContent: "Authorise" }), told);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    known.bearer = fields.get("bearer");
    known.basic = fields.get("basic") && `${fields.get("name")}:${fields.get("basic")}`;
    told.textContent = known.bearer || known.basic ? "It is shown where it is asked for, while this page is open." : "Nothing is shown.";
  });
  return make("details", { id: "who" }, make("summary", {}, make("b", { textContent: "Who you are" }),
    make("span", { textContent: "for operations that ask" })), form);
}

async function send(api, path, method, operation, form, output) {
  const fields = new FormData(form);
  const query = new URLSearchParams();
  const headers = {};
  let target = path;
  for (const { name, in: where } of operation.parameters ?? []) {
    const value = fields.get(`${where} ${name}`);
    if (where === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "" && where === "header") headers[name] = value;
    else if (value !== "") query.append(name, value);
  }
  const shown = authorisation(api, operation);
  if (shown) headers.authorization = shown;
  const asked = body(operation.requestBody?.content);
  let sent = asked && fields.get("body");
  if (asked?.type === MULTIPART) {
    // The browser says the type, with its boundary.
    sent = new FormData();
    for (const name of Object.keys(parts(api, asked.schema))) sent.append(name, fields.get(`part ${name}`));
  } else if (asked) headers["content-type"] = asked.type;
  output.replaceChildren(make("p", { textContent: "Asking…" }));
  try {
    const answer = await fetch(serverOf(api, operation).href.replace(/\/$/, "") + target + (query.size ? `?${query}` : ""), {
      method: method.toUpperCase(), headers, body: sent,
    });
    const bytes = await answer.arrayBuffer();
    const type = answer.headers.get("content-type") ?? "";
    let shown = `${bytes.byteLength} bytes`;
    if (!type.startsWith("application/octet-stream")) {
      shown = new TextDecoder().decode(bytes);
      try { shown = pretty(JSON.parse(shown)); } catch { /* not JSON */ }
    }
    output.replaceChildren(make("h2", { textContent: `${answer.status} ${answer.statusText}` }), make("pre", { textContent: shown, tabIndex: 0 }));
  } catch (error) {
    output.replaceChildren(make("p", { textContent: `There was no answer: ${error.message}` }));
  }
}

const field = (id, name, note, properties) => [
  make("label", { htmlFor: id }, name, " ", make("small", { textContent: note })),
  make("input", { id, ...properties }),
];

// What a body is written by: a file, the parts of a form, or text.
function bodyFields(api, { type, schema }, index) {
  const id = `o${index}body`;
  if (type === MULTIPART)
    return Object.entries(parts(api, schema)).flatMap(([name, part], at) =>
      field(`${id}${at}`, name, part.description ?? "", { name: `part ${name}`, type: part.contentMediaType ? "file" : "text" }));
  if (type === "application/octet-stream") return field(id, "Body", type, { name: "body", type: "file" });
  const isText = type.startsWith("text/");
  return [
    make("label", { htmlFor: id }, "Body ", make("small", { textContent: isText ? type : `${typeName(schema)} · ${type}` })),
    make("textarea", { id, name: "body", spellcheck: false, value: isText ? "" : pretty(example(api, schema)) }),
  ];
}

function show(api, path, method, operation, index) {
  const form = make("form");
  for (const [at, { name, in: where, required, schema, description }] of (operation.parameters ?? []).entries()) {
    const note = [typeName(schema), where, required ? "required" : "", description].filter(Boolean).join(" · ");
    form.append(...field(`o${index}p${at}`, name, note, { name: `${where} ${name}`, required, autocomplete: "off" }));
  }
  const asked = body(operation.requestBody?.content);
  if (asked) form.append(...bodyFields(api, asked, index));
  const names = (operation.security ?? []).map((shown) => Object.keys(shown).join(" and ") || "nothing");
  if (names.length > 0) form.append(make("p", { textContent: `Asks who you are: ${names.join(", or ")}` }));
  const output = make("div", { className: "answer", ariaLive: "polite" });
  // A page asks nothing of other hosts.
  const server = serverOf(api, operation);
  const isElsewhere = server.host !== new URL(document.baseURI).host;
  form.append(isElsewhere ? make("p", { textContent: `It is asked of ${server.host}, and not from here.` }) : make("button", { textContent: "Ask" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isElsewhere) send(api, path, method, operation, form, output);
  });
  const answers = Object.entries(operation.responses).map(([status, { description, content }]) => {
    const line = make("div", {}, make("h2", { textContent: `${status}: ${description}` }));
    for (const [type, { schema }] of Object.entries(content ?? {}))
      line.append(make("p", { textContent: type }), make("pre", { tabIndex: 0, textContent: pretty(follow(api, schema)) }));
    return line;
  });
  const more = make("details", {}, make("summary", { textContent: "What is answered" }), make("div", { className: "inside" }, ...answers));
  return make("details", { id: operation.operationId ?? "" },
    make("summary", {},
      make("b", { className: "method", textContent: method.toUpperCase() }),
      make("code", { textContent: isElsewhere ? `//${server.host}${path}` : path }),
      make("span", { textContent: operation.summary ?? "" })),
    make("div", { className: "inside" }, form, output, more));
}

try {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const api = await answer.json();
  document.title = api.info.title;
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("about").textContent = api.info.description ?? "";
  const all = Object.entries(api.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => [path, method, operation]));
  place.replaceChildren(...all.map(([path, method, operation], index) => show(api, path, method, operation, index)));
  const schemes = Object.values(api.components.securitySchemes ?? {});
  if (schemes.length > 0) place.prepend(who(schemes));
  if (all.length === 0) place.replaceChildren(make("p", { textContent: "Nothing is described." }));
} catch (error) {
  place.replaceChildren(make("p", { role: "alert", textContent: `The description cannot be read: ${error.message}` }));
}

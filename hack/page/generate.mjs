// Writes the types of what the page reads: of the REST API from the OpenAPI document, and of the kinds from their CRDs.
// Arguments: the directory of the npm packages, the root of the checkout, the directory to write to.
import { createRequire } from "node:module";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [packages, root, out] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const { default: openapiTS, astToString } = await import(pathToFileURL(join(packages, "node_modules/openapi-typescript/dist/index.mjs")).href);
const yaml = require("js-yaml");
const crds = ["multipartuploads", "filestores"];

// What the page reads of the metadata. A CRD says of them only that they are an object.
const text = { type: "string" };
const texts = { type: "object", additionalProperties: text };
const metadata = {
  type: "object",
  required: ["name", "uid", "resourceVersion", "creationTimestamp"],
  properties: {
    name: text, namespace: text, uid: text, resourceVersion: text, creationTimestamp: text, deletionTimestamp: text,
    generation: { type: "integer" }, labels: texts, annotations: texts,
  },
};

async function kinds() {
  const schemas = { ObjectMeta: metadata };
  for (const name of crds) {
    const crd = yaml.load(await readFile(join(root, "config/crd/bases", `iotfile.dev_${name}.yaml`), "utf8"));
    const schema = crd.spec.versions[0].schema.openAPIV3Schema;
    schema.properties.metadata = { $ref: "#/components/schemas/ObjectMeta" };
    schema.required = [...new Set([...(schema.required ?? []), "metadata", "spec"])];
    schemas[crd.spec.names.kind] = schema;
  }
  return { openapi: "3.1.0", info: { title: "kinds", version: "v1alpha1" }, paths: {}, components: { schemas } };
}

/** @param {string} name @param {unknown} source */
async function write(name, source) {
  const types = astToString(await openapiTS(source, { silent: true, defaultNonNullable: false }));
  await writeFile(join(out, name), "// Made by hack/page.\n" + types);
}

await mkdir(out, { recursive: true });
await write("rest.d.ts", pathToFileURL(join(root, "internal/dataplane/openapi/openapi.yaml")));
await write("kinds.d.ts", await kinds());

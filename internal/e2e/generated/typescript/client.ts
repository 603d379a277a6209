// Sends a file in three parts, reads it back and finds it in the listing, with nothing but what
// openapi-typescript has made of the OpenAPI document. What the client library gets wrong is mended in
// no place: this is what its users write.
//
// Arguments: the address of the API, the token, the entity, the path of the file, its media type, and the
// files that hold the parts. It prints what it has seen as JSON.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [baseUrl, token, entityId, filepath, mediaType, ...parts] = process.argv.slice(2) as [string, string, string, string, string, ...string[]];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const path = { entityId, filepath };
const address = "/files/{entityId}/{filepath}";

/** The error, which the answer has, or the status. */
function check(what: string, answer: { response: Response; error?: unknown }): void {
  if (!answer.response.ok) throw new Error(`${what}: ${answer.response.status} ${JSON.stringify(answer.error)}`);
}

const start = await client.PUT(address, { params: { path, query: { upload: "start" }, header: { type: mediaType, "Cache-Control": "max-age=60" } } });
check("start", start);
const limits = ["X-Part-Size-Min", "X-Part-Size-Max", "X-Part-Number-Max"].map((name) => Number(start.response.headers.get(name)));

for (const [i, file] of parts.entries()) {
  const part = await client.PUT(address, {
    params: { path, query: { part: i + 1 } }, body: readFileSync(file), bodySerializer: (body) => body as BodyInit,
  });
  check(`part ${i + 1}`, part);
}
const listed = await client.GET("/fileslist/{entityId}/{filepath}", { params: { path } });
check("fileslist", listed);
const complete = await client.PUT(address, { params: { path, query: { upload: "complete" } } });
check("complete", complete);
const read = await client.GET(address, { params: { path }, parseAs: "arrayBuffer" });
check("read", read);
const found = await client.GET("/files/{entityId}", { params: { path: { entityId }, query: { order: "name asc" } } });
check("search", found);
const bytes = Buffer.from(read.data as ArrayBuffer);
console.log(JSON.stringify({
  limits,
  location: complete.response.headers.get("Location"),
  parts: listed.data,
  size: bytes.length,
  sha256: createHash("sha256").update(bytes).digest("hex"),
  mediaType: read.response.headers.get("Content-Type"),
  cacheControl: read.response.headers.get("Cache-Control"),
  files: found.data,
}));

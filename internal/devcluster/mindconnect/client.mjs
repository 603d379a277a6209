// Lets Go drive the IotFileClient of @mindconnect/mindconnect-nodejs, as it is. Each line on stdin is a call,
//   {"method": "UploadFile", "args": ["entity", "path", {"$buffer": "/a/file"}, {"chunk": true}]}
// and each line on stdout that begins with "{" its outcome: {"value": …} or {"error": "…"}.
//
// Arguments that JSON has no form for: {"$buffer": path} is the content of a file as a Buffer, {"$date": text} a Date.
//
// Arguments of the program: the directory that the package is installed in, the gateway, the token.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [directory, gateway, token] = process.argv.slice(-3);
const require = createRequire(join(directory, "package.json"));
const { IotFileClient, MindConnectBase } = require("@mindconnect/mindconnect-nodejs");

/** The package's way to bring a token of one's own: its interface TokenRotation, on its base class. */
class StaticToken extends MindConnectBase {
  async GetToken() { return token; }
  async RenewToken() { return true; }
  GetGateway() { return gateway; }
  GetTenant() { return "test"; }
}

const client = new IotFileClient(new StaticToken());

function decode(argument) {
  if (argument === null || typeof argument !== "object") return argument;
  if ("$buffer" in argument) return readFileSync(argument.$buffer);
  if ("$date" in argument) return new Date(argument.$date);
  return Object.fromEntries(Object.entries(argument).map(([key, value]) => [key, decode(value)]));
}

async function encode(value) {
  if (typeof value?.arrayBuffer === "function") { // a Response
    const body = Buffer.from(await value.arrayBuffer());
    const sha256 = createHash("sha256").update(body).digest("hex");
    return { status: value.status, headers: await encode(value.headers), size: body.length, sha256 };
  }
  if (typeof value?.entries === "function" && !Array.isArray(value)) return Object.fromEntries(value.entries()); // Headers
  return value;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line);
  let outcome;
  try {
    outcome = { value: (await encode(await client[method](...args.map(decode)))) ?? null };
  } catch (error) {
    outcome = { error: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(outcome) + "\n");
}

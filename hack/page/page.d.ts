// Names of what the page reads, which its modules use without an import. The types behind them are made by generate.mjs.

type RESTSchemas = import("../../bin/page/rest").components["schemas"];
type KindSchemas = import("../../bin/page/kinds").components["schemas"];

/** An upload, whole or not. */
type MultipartUpload = KindSchemas["MultipartUpload"];
/** A place in object storage. */
type FileStore = KindSchemas["FileStore"];
/** One of status.conditions. */
type Condition = NonNullable<NonNullable<MultipartUpload["status"]>["conditions"]>[number];
/** A part that has arrived, of fileslist. */
type UploadPart = RESTSchemas["Part"];
/** A file of a listing; File is the browser's. */
type ListedFile = RESTSchemas["File"];
/** What the local server, and the REST API, say of a failure. */
type ServerMessage = { message: string };

/** What the local server says of itself and of the caller; "" for what is not known. */
type ServerInfo = {
  version: string;
  server: string;
  via: string;
  caller: string;
  tokenFrom: string;
  context: string;
  namespace: string;
  entity: string;
};

/** The lists that a stream of events is about. */
type ObjectKind = "uploads" | "stores";

/** A line of /events. */
type ServerEvent =
  | { type: "put"; kind: "uploads"; objects: MultipartUpload[] }
  | { type: "put"; kind: "stores"; objects: FileStore[] }
  | { type: "gone"; kind: ObjectKind; keys: string[] }
  | { type: "synced" | "reset"; kind: ObjectKind }
  | { type: "error"; kind: ObjectKind; status: number; message: string }
  | { type: "alive" };

/** The body of a PATCH of an upload: what is to become of it, and of which record. */
type UploadPatch = ({ desiredState: "Completed" | "Aborted" } | { ttl: string }) & { uid?: string; resourceVersion?: string };

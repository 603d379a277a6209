// Names of what the modules of the page hand to one another. They stand here, and not in the modules, because the page
// is served as it is written, and has a size that it must not exceed.

/** What can be put into an element; null, undefined and false are left out. */
type Child = Node | string | number | null | undefined | false;

/** A row of a long list: an `li` of the height that the style sheet gives all rows. */
type Row = { element: HTMLElement; draw: () => void };

/** What is kept of a file that is sent, so that a reload does not lose it. */
type Saved = {
  id: string;
  /** The tab that sends it. */
  owner: string;
  namespace: string;
  entity: string;
  path: string;
  /** Of the file where it was chosen, as are size, modified and type. */
  name: string;
  size: number;
  modified: number;
  type: string;
  /** The Idempotency-Key. */
  key: string;
  partSize: number;
  ifMatch: number | null;
  /** The server has opened the upload. */
  started: boolean;
  /** The completion may have been carried out. */
  completing: boolean;
  /** Bytes. */
  arrived: number;
  /** The place in the order. */
  added: number;
  state: string;
  message: string;
};

/** A file in the queue. */
type Item = import("../../cmd/kubectl-iotfile/page/item.js").Item;

/** A file that was chosen or dropped, with its path below the folder that was chosen. */
type Picked = { file: File; path: string };

/** What a store takes: bytes of a part, and the highest number of one. */
type Limits = { min: number; max: number; number: number };

/** Where a file is. */
type Place = { namespace: string; entity: string; path: string };

/** A folder, as it follows from the paths of the files below it. */
type Folder = { name: string; files: number; size: number; updated: string };

/** A line of the files, before it is drawn. */
type Entry = { name: string; size: number; updated: string; key: string; make: () => Row };

/** How fast an upload was, when its progress last changed. */
type Sample = { bytes: number; at: number; rate: number };

/** What the open uploads of a store come to. */
type Sums = { bytes: number; oldest: MultipartUpload | null; open: number };

/** What a change event of the live objects, or of the queue, tells: the keys, and whether any came, went or moved. */
type Change = { kind?: ObjectKind; keys: Set<string>; shape: boolean };

/** What is known of a stored file. */
type FileFacts = { etag: number; size: number; type: string; modified: string; description: string; checksum: string };

/** One request with a body. */
type Transfer = {
  method: string;
  url: string;
  headers?: Record<string, string>;
  body?: Blob;
  /** Is told how many bytes of the body have left so far. */
  moved?: (bytes: number) => void;
  signal: AbortSignal;
};

/** A question before something is done. */
type Question = {
  title: string;
  text: Child[];
  yes: string;
  no?: string;
  harmful?: boolean;
  act: () => Promise<unknown>;
};

/** Texts by a word. */
type Words = Record<string, string>;

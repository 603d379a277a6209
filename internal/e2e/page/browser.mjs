// What the journeys have in common: Chromium, the way into the page, axe, and steps that the Go test does for them.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What the Go test says: PACKAGES, CHROMIUM, LINK, SHOTS, NAMESPACE, ENTITY, and what the journey needs besides. */
export const env = /** @type {Record<string, string>} */ (process.env);

const require = createRequire(join(env.PACKAGES, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const themes = /** @type {const} */ (["light", "dark"]);
export const origin = new URL(env.LINK).origin;
/** How long anything may take: generous, because machines are shared. */
const patience = 60_000;

const lines = createInterface({ input: process.stdin });
const answers = lines[Symbol.asyncIterator]();

/** ask has the Go test do a step, and returns what it answers. */
export async function ask(step, ...args) {
  console.log("@" + step + " " + JSON.stringify(args));
  const { value, done } = await answers.next();
  if (done) throw new Error("the test has ended");
  return JSON.parse(value);
}

/** journey runs a browser, enters the page by the link, and holds at the end that it has shown no fault. */
export async function journey(name, run, options = {}) {
  const browser = await chromium.launch({
    executablePath: env.CHROMIUM,
    // As root, Chromium has no sandbox of its own. The page is ours, and fetches nothing from elsewhere.
    chromiumSandbox: process.getuid?.() !== 0,
    args: ["--no-proxy-server", "--disable-dev-shm-usage", "--enable-precise-memory-info", ...(options.args ?? [])],
  });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 }, locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce", ...options.context,
  });
  context.setDefaultTimeout(patience);
  const faults = [];
  context.on("page", (page) => watch(page, faults));
  const page = await context.newPage();
  let failed = true;
  try {
    await enter(page);
    await run({ browser, context, page });
    if (faults.length > 0) throw new Error("the page has faults:\n" + faults.join("\n"));
    failed = false;
  } finally {
    if (failed) {
      if (faults.length > 0) console.log("faults of the page so far:\n" + faults.join("\n"));
      mkdirSync(env.SHOTS, { recursive: true });
      for (const [i, open] of context.pages().entries()) {
        const file = join(env.SHOTS, `failed-${name}-${i + 1}.png`);
        await open.screenshot({ path: file }).then(() => console.log(`${open.url()} is seen in ${file}`), () => {});
        console.log(await open.locator("body").ariaSnapshot({ timeout: 5000 }).catch(String));
      }
    }
    await browser.close();
    lines.close(); // which would keep the process alive
    process.stdin.destroy();
  }
}

/** watch collects what no page may do: throw, break its own policy, or ask another host for something. */
function watch(page, faults) {
  page.on("pageerror", (error) => faults.push("thrown: " + (error.stack ?? error)));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) faults.push("on the console: " + text);
    else if (process.env.VERBOSE) console.log("console:", text);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (["http:", "https:", "ws:", "wss:"].includes(url.protocol) && url.origin !== origin) faults.push("asks elsewhere: " + url);
  });
}

/** enter opens the link, which works once. */
async function enter(page) {
  const answer = await page.goto(env.LINK);
  if (answer?.status() !== 200) throw new Error(`the link is answered with ${answer?.status()}: ${await answer?.text()}`);
  if (new URL(page.url()).search !== "") throw new Error("the secret stays in the address: " + page.url());
  await until("the title", async () => (await page.title()) === "iotfile");
}

/** until waits for what is true. */
export async function until(what, check, limit = patience) {
  const end = Date.now() + limit;
  for (let last; ; ) {
    try {
      const found = await check();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not within ${limit / 1000} s${last ? ": " + last : ""}`);
    await new Promise((later) => setTimeout(later, 50));
  }
}

/** go opens a view by its link. */
export async function go(page, view) {
  await page.getByRole("navigation").getByRole("link", { name: view, exact: true }).click();
  await page.waitForURL((url) => url.hash.startsWith("#/" + view.toLowerCase()));
}

/** rowOf is the row of a list, or of the queue, that shows a path. */
export function rowOf(page, path) {
  return page.getByRole("main").locator("li, article, tr, [role=row], [role=listitem], [role=article]").filter({ hasText: path }).last();
}

/** button is a button in a row or dialog: its name may go on with what it is about. */
export function button(place, name) {
  return place.getByRole("button", { name: new RegExp("^" + name + "\\b") }).first();
}

/** said waits until a row says something. */
export async function said(row, text, limit = patience) {
  await row.getByText(text, { exact: false }).first().waitFor({ timeout: limit });
}

/** openUpload opens the view of one upload by its row. */
export async function openUpload(page, path) {
  await rowOf(page, path).getByRole("link").first().click();
  await page.getByRole("main").getByRole("heading", { level: 1, name: path }).waitFor();
}

/** dialog is the open one. */
export function dialog(page) {
  return page.locator("dialog[open]");
}

/** audit looks for what somebody could not use, in both themes. */
export async function audit(page, view) {
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme });
    await page.waitForTimeout(150);
    if (!(await page.evaluate("typeof axe !== 'undefined'"))) await page.evaluate(axe);
    const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
    const told = violations.map((v) => `${v.id}: ${v.help}\n` + v.nodes.map((n) => `    ${n.target.join(" ")}: ${n.failureSummary?.replaceAll("\n", " ")}`).join("\n"));
    if (told.length > 0) throw new Error(`${view}, ${theme}:\n${told.join("\n")}`);
    console.log(`axe: nothing in ${view}, ${theme}`);
  }
}

/** fillSend says where files are to go. */
export async function fillSend(page, folder) {
  await go(page, "Send");
  const main = page.getByRole("main");
  await main.getByLabel("Namespace", { exact: true }).fill(env.NAMESPACE);
  await main.getByLabel("Entity", { exact: true }).fill(env.ENTITY);
  await main.getByLabel("Folder", { exact: true }).fill(folder);
}

/** send gives files to Send, and starts it. */
export async function send(page, ...files) {
  await page.getByRole("main").getByLabel("Choose files", { exact: true }).setInputFiles(files);
  const start = page.getByRole("main").getByRole("button", { name: "Send", exact: true });
  await until("Send can be pressed", () => start.isEnabled());
  await start.click();
}

/** drop has the browser drop a file or folder of the disk on the view, as the desktop does. */
export async function drop(context, page, path) {
  const session = await context.newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: 640, y: 450, data });
  }
}

/** slowDown limits what the page sends, in bytes per second. */
export async function slowDown(context, page, rate) {
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: rate });
}

/** percentOf reads the bar of a row. */
export async function percentOf(row) {
  return Number(await row.getByRole("progressbar").first().evaluate((bar) => {
    const now = Number(bar.getAttribute("aria-valuenow") ?? bar.value), max = Number(bar.getAttribute("aria-valuemax") ?? bar.max);
    return (100 * now) / (max || 100);
  }));
}

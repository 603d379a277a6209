// 10,000 uploads: time to the first row, memory of the tab, scrolling, filtering, and following changes.
import { readFileSync } from "node:fs";
import { ask, audit, env, journey, origin, rowOf, until } from "./browser.mjs";

const MiB = 2 ** 20;

/** memory is what the tab takes: the heap of its scripts after a collection, its nodes, and the process. */
async function memory(browser, context, page, when) {
  const session = await context.newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  await session.send("Performance.enable");
  const { metrics } = await session.send("Performance.getMetrics");
  const value = (name) => metrics.find((m) => m.name === name)?.value ?? 0;
  const whole = await browser.newBrowserCDPSession();
  const { processInfo } = await whole.send("SystemInfo.getProcessInfo");
  const kept = processInfo.filter((p) => p.type === "renderer").map((p) => {
    try {
      return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${p.id}/smaps_rollup`, "utf8"))?.[1] ?? 0) * 1024;
    } catch {
      return 0; // only Linux has it
    }
  });
  const heap = value("JSHeapUsedSize");
  console.log(`memory ${when}: heap ${(heap / MiB).toFixed(1)} MiB, ${value("Nodes")} nodes, the largest renderer ${(Math.max(...kept) / MiB).toFixed(0)} MiB`);
  await session.detach();
  return heap;
}

/** frames scrolls with the wheel, and says how long the frames took. */
async function frames(page, times) {
  await page.evaluate(`globalThis.frames_ = []; (() => { let last = performance.now(); const next = (now) => { frames_.push(now - last); last = now; if (frames_.length < 4000) requestAnimationFrame(next); }; requestAnimationFrame(next); })()`);
  await page.mouse.move(640, 500);
  for (let i = 0; i < times; i++) {
    await page.mouse.wheel(0, 900);
    await page.waitForTimeout(16);
  }
  const taken = (await page.evaluate("frames_")).sort((a, b) => a - b);
  return { median: taken[Math.floor(taken.length / 2)], p95: taken[Math.floor(taken.length * 0.95)], longest: taken.at(-1) };
}

/** spent says, in the page, when it had its modules, and when its first requests were answered. */
function spent() {
  const all = performance.getEntriesByType("resource");
  const told = (what, one) => one && `${what} from ${Math.round(one.startTime)} to ${Math.round(one.responseEnd || one.responseStart)} ms`;
  const path = (end) => all.findLast((r) => new URL(r.name).pathname.endsWith(end));
  const modules = Math.max(...all.filter((r) => r.name.endsWith(".js")).map((r) => r.responseEnd));
  return [`modules until ${Math.round(modules)} ms`, told("/info", path("/info")), told("/namespaces", path("/namespaces"))].filter(Boolean).join(", ");
}

await journey("volume", async ({ browser, context, page }) => {
  await page.goto("about:blank");
  const main = page.getByRole("main");
  const began = Date.now();
  await page.goto(origin + "/#/uploads");
  await main.getByText(/machine-\d{5}\.bin/).first().waitFor();
  console.log(`the first row is there after ${Date.now() - began} ms; ${await page.evaluate(spent)}`);
  const count = Number(env.COUNT);
  // Those of the tests before are among them.
  const counted = async () => Number((/([\d.,\s]+) uploads/.exec(await main.innerText())?.[1] ?? "").replace(/\D/g, ""));
  await until("all are counted", async () => (await counted()) >= count);
  console.log(`all ${count} are counted after ${Date.now() - began} ms`);
  const heap = await memory(browser, context, page, "with all");
  if (heap > 200 * MiB) throw new Error("the scripts of the page take more than 200 MiB");

  const seen = await frames(page, 120);
  console.log(`frames while scrolling: median ${seen.median.toFixed(1)} ms, 95 % within ${seen.p95.toFixed(1)} ms, the longest ${seen.longest.toFixed(0)} ms`);
  await page.keyboard.press("End");
  await page.waitForTimeout(1000);
  await page.keyboard.press("Home");

  let at = Date.now();
  await main.getByLabel("Filter", { exact: true }).fill("machine-00500");
  await rowOf(page, "machine-00500.bin").waitFor();
  await until("one is left", async () => (await main.getByText(/machine-\d{5}\.bin/).count()) <= 2);
  console.log(`a filter takes ${Date.now() - at} ms`);

  at = Date.now();
  await ask("change", "line-0", "machine-00500");
  await main.getByText(/792(\.0)? MiB|830(\.\d)? MB/).first().waitFor();
  console.log(`a change is seen ${Date.now() - at} ms after it was begun`);
  await main.getByLabel("Filter", { exact: true }).fill("");
  at = Date.now();
  const churn = ask("churn");
  const busy = await frames(page, 120);
  await churn;
  console.log(`frames while scrolling and 500 change: median ${busy.median.toFixed(1)} ms, 95 % within ${busy.p95.toFixed(1)} ms, the longest ${busy.longest.toFixed(0)} ms`);
  await memory(browser, context, page, "after scrolling");
  if (busy.p95 > 250) throw new Error("scrolling is not fluid");
  await page.evaluate("scrollTo(0, 0)");
  await audit(page, "Uploads with many");
});

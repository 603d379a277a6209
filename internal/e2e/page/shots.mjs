// Screenshots of each view and dialog in both themes, from a phone to 4K. Each is audited as it is seen.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { audit, button, dialog, env, fillSend, go, journey, openUpload, origin, rowOf, slowDown, themes, until } from "./browser.mjs";

/** The widths and heights of a screen, in pixels of CSS. */
const screens = [[360, 780], [1280, 900], [3840, 2160]];
mkdirSync(env.SHOTS, { recursive: true });

/** What is wrong in any of the views: all of it is told at the end. */
const wrong = [];

/** shots takes what is seen now, and holds that nothing has to be scrolled sideways. */
async function shots(page, name) {
  for (const [width, height] of screens) {
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(150);
    const over = await page.evaluate(wider);
    if (over.length > 0) wrong.push(`${name} is wider than a screen of ${width} px: ${over.join(", ")}`);
    await audit(page, `${name} at ${width} px`).catch((error) => wrong.push(error.message));
    for (const theme of themes) {
      await page.emulateMedia({ colorScheme: theme });
      await page.waitForTimeout(150);
      await page.screenshot({ path: join(env.SHOTS, `${name}-${theme}-${width}.png`) });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** wider finds, in the page, the innermost elements that reach beyond the right side. */
function wider() {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const out = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > clientWidth + 0.5);
  const inner = out.filter((e) => !out.some((o) => o !== e && e.contains(o)));
  return inner.map((e) => `${e.tagName.toLowerCase()}.${e.className} to ${Math.round(e.getBoundingClientRect().right)} px`);
}

async function closeDialog(page) {
  await page.keyboard.press("Escape");
  await until("the dialog is closed", async () => (await dialog(page).count()) === 0);
}

await journey("shots", async ({ context, page }) => {
  await go(page, "Uploads");
  const row = rowOf(page, "recordings/open.bin");
  await row.waitFor();
  await page.waitForTimeout(1000); // the parts of what is seen
  await shots(page, "uploads");
  await openUpload(page, "recordings/open.bin");
  await page.waitForTimeout(1000); // its parts
  await shots(page, "upload");
  for (const name of ["Complete", "Abort", "Extend"]) {
    await button(page.getByRole("main"), name).click();
    await dialog(page).waitFor();
    await shots(page, "upload-" + name.toLowerCase());
    await closeDialog(page);
  }
  await go(page, "Uploads");
  await page.getByRole("main").getByLabel("Filter", { exact: true }).fill("nothing is called so");
  await shots(page, "uploads-none");

  await page.goto(`${origin}/#/files/${env.NAMESPACE}/${env.ENTITY}/`);
  await page.getByRole("main").getByText("readme.txt").first().waitFor();
  await shots(page, "files");
  await button(rowOf(page, "readme.txt"), "Delete").click();
  await dialog(page).waitFor();
  await shots(page, "files-delete");
  await closeDialog(page);
  await rowOf(page, "readme.txt").getByRole("link").first().click();
  await dialog(page).getByText("What the engine said").first().waitFor();
  await shots(page, "file");
  await closeDialog(page);

  await fillSend(page, "dropped");
  await shots(page, "send-empty");
  await slowDown(context, page, 2 ** 20);
  await page.getByRole("main").getByLabel("Choose files", { exact: true }).setInputFiles([env.FILE]);
  await page.getByRole("main").getByRole("button", { name: "Send", exact: true }).click();
  await rowOf(page, env.NAME).getByRole("progressbar").first().waitFor();
  await page.waitForTimeout(2000);
  await shots(page, "send");
  await button(rowOf(page, env.NAME), "Cancel").click();
  await page.waitForTimeout(500);
  if ((await dialog(page).count()) > 0) {
    await shots(page, "send-cancel");
    await button(dialog(page), "Stop").click();
  }

  await go(page, "Stores");
  await page.getByRole("main").getByText("default").first().waitFor();
  await shots(page, "stores");
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
});

// The keyboard alone: send a file, and abort an upload.
import { ask, button, dialog, env, journey, rowOf, said, until } from "./browser.mjs";

/** tabTo presses Tab until an element has the focus, and holds that one can see that it has. */
async function tabTo(page, what, element) {
  await element.waitFor();
  for (let i = 0; i < 120; i++) {
    if (await element.evaluate((e) => e.getRootNode().activeElement === e)) {
      const seen = await element.evaluate((e) => e.matches(":focus-visible"));
      if (!seen) throw new Error(what + " has the focus, and nobody sees it");
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${what}`);
}

async function type(page, what, element, text) {
  await tabTo(page, what, element);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type(text);
}

await journey("keyboard", async ({ page }) => {
  const nav = page.getByRole("navigation"), main = page.getByRole("main");
  await tabTo(page, "the link Send", nav.getByRole("link", { name: "Send", exact: true }));
  await page.keyboard.press("Enter");
  await type(page, "Namespace", main.getByLabel("Namespace", { exact: true }), env.NAMESPACE);
  await type(page, "Entity", main.getByLabel("Entity", { exact: true }), env.ENTITY);
  await type(page, "Folder", main.getByLabel("Folder", { exact: true }), "keys");
  await tabTo(page, "Choose files", main.getByLabel("Choose files", { exact: true }));
  const chooser = page.waitForEvent("filechooser");
  await page.keyboard.press("Space");
  await (await chooser).setFiles(env.FILE);
  const start = main.getByRole("button", { name: "Send", exact: true });
  await until("Send can be pressed", () => start.isEnabled());
  await tabTo(page, "the button Send", start);
  await page.keyboard.press("Enter");
  await said(rowOf(page, env.NAME), "Sent");
  await ask("sent", "keys/" + env.NAME);

  await ask("open", "keys/to-abort.bin");
  await tabTo(page, "the link Uploads", nav.getByRole("link", { name: "Uploads", exact: true }));
  await page.keyboard.press("Enter");
  await type(page, "Filter", main.getByLabel("Filter", { exact: true }), "to-abort");
  const link = rowOf(page, "keys/to-abort.bin").getByRole("link").first();
  await tabTo(page, "the upload", link);
  await page.keyboard.press("Enter");
  const abort = button(main, "Abort");
  await tabTo(page, "Abort", abort);
  await page.keyboard.press("Enter");
  await dialog(page).waitFor();
  const inside = () => dialog(page).evaluate((d) => d.contains(document.activeElement));
  if (!(await inside())) throw new Error("the focus is not in the dialog");
  await page.keyboard.press("Escape");
  await until("Escape closes the dialog", async () => (await dialog(page).count()) === 0);
  await until("the focus is back on Abort", () => abort.evaluate((e) => e.getRootNode().activeElement === e));
  await page.keyboard.press("Enter");
  await tabTo(page, "Abort in the dialog", button(dialog(page), "Abort"));
  await page.keyboard.press("Enter");
  await until("the dialog is closed", async () => (await dialog(page).count()) === 0);
  await ask("aborted", "keys/to-abort.bin");
});

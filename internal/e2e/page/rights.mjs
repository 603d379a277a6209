// Somebody who may do nothing is told in each view which right is missing. Rights that are given meanwhile count without
// a reload. Somebody who may look on is told why an abort is refused.
import { ask, audit, button, dialog, env, fillSend, go, journey, openUpload, origin, rowOf, said, send } from "./browser.mjs";

await journey("rights", async ({ page }) => {
  const main = page.getByRole("main");
  const told = async (view, ...texts) => {
    for (const text of texts) await said(main, text);
    console.log(`${view}: ${(await main.innerText()).replaceAll("\n", " | ")}`);
    await audit(page, view + " without a right");
  };
  await go(page, "Stores");
  await told("Stores", "You may not list stores", "Ask the platform team for the right to list and watch filestores.iotfile.dev");
  await page.goto(`${origin}/#/files/${env.NAMESPACE}/${env.ENTITY}/`);
  await told("Files", "You may not see the files of this entity", "you may not list files of this entity: ask for the right to list files.iotfile.dev in its namespace");
  await fillSend(page, "in");
  await send(page, env.FILE);
  await said(rowOf(page, env.NAME), "Not sent");
  await told("Send", "you may not create files of this entity: ask for the right to create files.iotfile.dev in its namespace");
  await go(page, "Uploads");
  await told("Uploads", "You may not list uploads of all namespaces", "Choose a namespace in which you may");
  await button(main, "Show those of " + env.NAMESPACE).click();
  await told("Uploads of a namespace", "You may not list uploads here", "Ask the platform team for the right to list and watch multipartuploads.iotfile.dev");

  await ask("grant");
  await openUpload(page, "of/others.bin");
  await button(main, "Abort").click();
  await button(dialog(page), "Abort").click();
  await dialog(page).getByRole("alert").getByText("iotfile-upload-editor").waitFor();
  console.log("Abort:", (await dialog(page).innerText()).replaceAll("\n", " | "));
  await audit(page, "a refused abort");
  await page.keyboard.press("Escape");
  await ask("open", "of/others.bin");
});

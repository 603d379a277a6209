// Send a file, see it from another tab, end an upload that somebody else has begun, and audit each view.
import { ask, audit, button, dialog, env, fillSend, go, journey, openUpload, origin, rowOf, said, send, until } from "./browser.mjs";

await journey("send", async ({ context, page }) => {
  const second = await context.newPage();
  await second.goto(origin + "/#/uploads");
  await second.getByRole("navigation").waitFor();

  await fillSend(page, "from/page");
  const began = Date.now();
  await send(page, env.FILE);
  await said(rowOf(page, env.NAME), "Sent");
  console.log(`the file was sent in ${Date.now() - began} ms`);
  await rowOf(second, "from/page/" + env.NAME).waitFor();
  await ask("sent", "from/page/" + env.NAME);
  await audit(page, "Send");

  // An upload whose parts another program has sent.
  await ask("open", "by/hand.bin");
  await rowOf(second, "by/hand.bin").waitFor();
  await audit(second, "Uploads");
  await openUpload(second, "by/hand.bin");
  const main = second.getByRole("main");
  await button(main, "Complete").click();
  await dialog(second).waitFor();
  await audit(second, "the dialog Complete");
  await button(dialog(second), "Complete").click();
  await until("the dialog is closed", async () => (await dialog(second).count()) === 0);
  await said(main, "Completed");
  await audit(second, "an upload");
  await ask("completed", "by/hand.bin");

  await page.goto(`${origin}/#/files/${env.NAMESPACE}/${env.ENTITY}/from/page/`);
  await page.getByRole("main").getByText(env.NAME).first().waitFor();
  await audit(page, "Files");
  await go(page, "Stores");
  await said(page.getByRole("main"), "default");
  await audit(page, "Stores");
});

// Drop 200 MiB, lose the operator in the middle, load the page anew, choose the file again, and have it whole.
import { ask, button, drop, env, fillSend, journey, percentOf, rowOf, said, slowDown, until } from "./browser.mjs";

const path = "recordings/" + env.NAME;

await journey("interrupted", async ({ context, page }) => {
  await fillSend(page, "recordings");
  // Slow enough that there is a middle.
  await slowDown(context, page, 12 * 2 ** 20);
  await drop(context, page, env.FILE);
  await said(page.getByRole("main"), env.NAME);
  await page.getByRole("main").getByRole("button", { name: "Send", exact: true }).click();
  const row = rowOf(page, env.NAME);
  await row.waitFor();
  await until("a quarter is sent", async () => (await percentOf(row)) >= 25);
  await ask("kill");
  console.log(`the operator was killed at ${(await percentOf(row)).toFixed(0)} %`);
  await page.waitForTimeout(3000);
  console.log("the row says meanwhile:", (await row.innerText()).replaceAll("\n", " | "));
  await ask("start");
  const killed = await percentOf(row);
  await until("it goes on by itself", async () => (await percentOf(row)) > killed + 10);
  await until("half is sent", async () => (await percentOf(row)) >= 50);
  await page.reload();
  const again = rowOf(page, env.NAME);
  await said(again, "Choose the file again");
  console.log(`after the reload ${await ask("parts", path)} parts are recorded; the row says:`, (await again.innerText()).replaceAll("\n", " | "));
  const chooser = page.waitForEvent("filechooser");
  await button(again, "Choose file again").click();
  await (await chooser).setFiles(env.FILE);
  await until("it does not begin anew", async () => (await percentOf(again)) >= 45, 20_000);
  await said(again, "Sent", 180_000);
  await ask("sent", path);
});

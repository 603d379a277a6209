// Drop a folder of which two files exist: one is replaced, one is kept, and the others arrive at their places, but for
// an empty one. A large file waits for somebody, and goes on. Another is given up. The folder is chosen once more, and
// all is left as it is.
import { ask, audit, button, dialog, drop, env, fillSend, journey, percentOf, rowOf, said, send, slowDown, until } from "./browser.mjs";

await journey("folder", async ({ context, page }) => {
  const main = page.getByRole("main");
  await fillSend(page, "in");
  await drop(context, page, env.FOLDER);
  await said(main, "6 files");
  await main.getByRole("button", { name: "Send", exact: true }).click();
  const replaced = rowOf(page, "replaced.txt"), kept = rowOf(page, "kept.txt");
  for (const row of [replaced, kept]) await said(row, "The file exists");
  console.log("a conflict:", (await replaced.innerText()).replaceAll("\n", " | "));
  await audit(page, "two conflicts");
  await button(replaced, "Replace").click();
  await button(kept, "Keep").click();
  await said(replaced, "Sent");
  await said(kept, "Kept the file that was there");
  const empty = rowOf(page, "empty.bin");
  await said(empty, "The API takes no file without a byte");
  await said(main, "4 of 5 sent");
  await ask("folder");

  await slowDown(context, page, 4 * 2 ** 20);
  await send(page, env.LARGE);
  const large = rowOf(page, "large.bin");
  await until("some of it is under way", async () => (await percentOf(large)) >= 20);
  await button(large, "Pause").click();
  await said(large, "Paused");
  const there = await percentOf(large);
  await page.waitForTimeout(3000);
  if ((await percentOf(large)) > there) throw new Error("it goes on while it is paused");
  console.log("paused:", (await large.innerText()).replaceAll("\n", " | "));
  await audit(page, "a pause");
  await button(large, "Resume").click();
  await until("it goes on", async () => (await percentOf(large)) > there);
  await said(large, "Sent");
  await ask("large");

  await send(page, env.GIVEN_UP);
  const givenUp = rowOf(page, "given-up.bin");
  await until("some of it is under way", async () => (await percentOf(givenUp)) >= 20);
  await button(givenUp, "Cancel").click();
  await button(dialog(page), "Stop and delete").click();
  await until("the row is gone", async () => (await main.getByText("given-up.bin").count()) === 0);
  await ask("aborted", "in/given-up.bin");

  await button(main, "Clear finished").click();
  await main.getByLabel("Choose a folder", { exact: true }).setInputFiles(env.FOLDER);
  await main.getByRole("button", { name: "Send", exact: true }).click();
  await said(main, "1 file is in the queue already");
  await button(empty, "Cancel").click();
  await until("each file of it exists", async () => (await main.getByText("The file exists", { exact: true }).count()) === 5);
  await button(main, "Keep all").click();
  await until("each is kept", async () => (await main.getByText("Kept the file that was there").count()) === 5);
  await ask("folder");
});

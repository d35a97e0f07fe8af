// npm run screenshot -- out.png [light | dark] [width]
// The playground after its first query with the REST plan beside it, as the README shows it: on a gateway that was just started, so that
// nothing is cached, with SANDBOX_LATENCY=120ms.
import { answer, launch, open, run } from './browser.mjs';

const [path, colorScheme = 'light', width = 1440] = process.argv.slice(2);
if (!path) throw new Error('Say where to write the picture: npm run screenshot -- out.png');

const browser = await launch();
const page = await open(browser, { colorScheme, viewport: { width: Number(width), height: 900 }, deviceScaleFactor: 2 });
await run(page);
await answer(page);
await page.mouse.move(1000, 450); // off the button, so that its hint closes
await page.waitForTimeout(1000); // for the hint, and for the colours, which come after the text
await page.screenshot({ path });
await browser.close();

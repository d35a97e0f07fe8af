// npm run screenshot -- out.png [light | dark]
// The playground after its first query, as the README shows it.
import { answer, launch, open, run } from './browser.mjs';

const [path, colorScheme = 'light'] = process.argv.slice(2);
if (!path) throw new Error('Say where to write the picture: npm run screenshot -- out.png');

const browser = await launch();
const page = await open(browser, { colorScheme });
await run(page);
await answer(page);
await page.mouse.move(1000, 450); // off the button, so that its hint closes
await page.waitForTimeout(1000); // for the hint, and for the colours, which come after the text
await page.screenshot({ path });
await browser.close();

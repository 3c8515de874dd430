// node drive.mjs PORTAL SCREENSHOTS
// Uses the portal as people do. A line "task <id>" tells which task is on the page; "done <scene>" that a scene went well.
// The first failure ends it.
import puppeteer from 'puppeteer-core';
import fs from 'node:fs';

const [portal, shots] = process.argv.slice(2);
const patience = 60_000;
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 1000 });

// What the browser itself complains of is a failure too.
const complaints = [], refused = [];
page.on('pageerror', e => complaints.push(`page error: ${e.message}`));
page.on('response', r => {
  const url = new URL(r.url());
  if (url.pathname.startsWith('/api/scaffolder/') && r.status() >= 400) refused.push(`${r.status()} ${r.request().method()} ${url.pathname}${url.search}`);
});

const says = text => page.waitForFunction(t => document.body.innerText.toLowerCase().includes(t), { timeout: patience }, text.toLowerCase());
const saysNoMore = text => page.waitForFunction(t => !document.body.innerText.toLowerCase().includes(t), { timeout: patience }, text.toLowerCase());
const press = async label => {
  const found = await page.waitForFunction(
    l => [...document.querySelectorAll('button, a[role=button], [role=menuitem]')].find(b => !b.disabled && b.offsetParent && b.innerText?.trim().toLowerCase() === l),
    { timeout: patience }, label.toLowerCase());
  await found.click();
};
const fill = async (field, text) => {
  const at = `[id$="root_${field}"], [name$="root_${field}"]`;
  await page.waitForSelector(at, { timeout: patience });
  await page.click(at, { count: 3 });
  await page.type(at, text);
  await page.keyboard.press('Tab');
};
const onTask = async () => {
  await page.waitForFunction(() => location.pathname.includes('/tasks/'), { timeout: patience });
  const id = await page.evaluate(() => location.pathname.split('/').pop());
  console.log('task', id);
  return id;
};
const scene = async (name, play) => {
  try {
    await play();
    await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
    if (complaints.length) throw new Error(complaints.join('; '));
    console.log('done', name);
  } catch (e) {
    await page.screenshot({ path: `${shots}/${name}-failed.png`, fullPage: true });
    console.error(`${name}: ${e.message}`);
    console.error('refused:', refused.join(', ') || 'nothing');
    console.error((await page.evaluate(() => document.body.innerText)).slice(0, 2000));
    await browser.close();
    process.exit(1);
  }
};

await scene('01-templates', async () => {
  await page.goto(`${portal}/create`);
  await press('enter').catch(() => {});
  await says('Request LLM Gateway Access');
  await says('Node.js');
});

await scene('02-form', async () => {
  await page.goto(`${portal}/create/templates/default/request-llm-gateway-access`);
  await fill('useCase', 'Summaries of support tickets, asked for in a browser');
  await fill('team', 'payments-team');
  await fill('monthlyTokens', '2000000');
});

await scene('03-review', async () => {
  await press('review');
  await says('Summaries of support tickets');
});

await scene('04-waits-for-approval', async () => {
  await press('create');
  await onTask();
  await says('Approval by the Model');
  await press('show logs');
  await says('Waiting for approval');
});

await scene('05-result', async () => {
  console.log('waiting for approval');
  await says('Collect your key');
  await says('Compliance Ticket');
  await says('The Model in the Catalog');
});

let cancelled;
await scene('06-running', async () => {
  await page.goto(`${portal}/create/templates/default/patient`);
  await fill('seconds', '20');
  await press('review');
  await press('create');
  cancelled = await onTask();
  await press('show logs');
  await says('Waiting for');
});

await scene('07-cancelled', async () => {
  await press('cancel');
  await says('cancelled');
});

await scene('08-retried', async () => {
  await page.goto(`${portal}/create/tasks/${cancelled}`);
  await press('retry');
  await says('The wait is over');
});

await scene('09-failed', async () => {
  await page.goto(`${portal}/create/templates/default/patient`);
  await fill('seconds', '10000');
  await press('review');
  await press('create');
  await onTask();
  await says('Error');
  await says('Beginning step Wait'); // the log is there, too
});

await scene('10-task-list', async () => {
  await page.goto(`${portal}/create/tasks`);
  await says('Request LLM Gateway Access');
  await says('failed');
  await says('completed');
});

await scene('11-actions', async () => {
  await page.goto(`${portal}/create/actions`);
  await says('approval:request');
});

const unexpected = refused.filter(r => !r.startsWith('404'));
if (unexpected.length) {
  console.error('the API refused:', unexpected.join(', '));
  process.exitCode = 1;
}
await browser.close();

// Chromium, and what the tests of pages share: screenshots, a check of accessibility, and the variants of a screen.
import assert from 'node:assert/strict'
import { access, mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { patience } from './limits.mjs'

export const executablePath = process.env.CHROMIUM || '/usr/bin/chromium-headless-shell'

/** Options of a browser context. */
export const variants = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true },
}

export async function launch() {
  await access(executablePath).catch(() => assert.fail(`There is no Chromium at ${executablePath}. Set CHROMIUM to its path.`))
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
}

/** Writes a picture of the page into $SCREENSHOTS, if that is set. */
export async function screenshot(page, name) {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Returns axe's serious and critical violations. If the page has a policy, its context needs `bypassCSP`. */
export async function axe(page, context = {}, options = {}) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource)
  const { violations } = await page.evaluate(([context, options]) => window.axe.run(context, options), [
    { include: ['html'], ...context },
    { resultTypes: ['violations'], ...options },
  ])
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** Like axe, without GraphiQL's own violations: a button in a tab, and the colors of the editor's theme. */
export const axeOfGraphiQL = (page) => axe(page, { exclude: ['.monaco-editor'] }, { rules: { 'nested-interactive': { enabled: false } } })

/** Waits until a condition holds; fails after `time` milliseconds. */
export async function until(what, condition, time = patience) {
  const deadline = Date.now() + time
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`${what} did not come within ${time} ms.`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

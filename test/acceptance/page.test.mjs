// The example page, built and driven in a real browser while calls arrive.
import assert from 'node:assert/strict'
import { access, mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { chromium } from 'playwright-core'
import { assemble, buildPage, listen, servePage, walk } from './page.mjs'

const executablePath = process.env.CHROMIUM || '/usr/bin/chromium'
const screenshots = process.env.SCREENSHOTS
const patience = 20_000

describe('The example page', { timeout: 300_000 }, () => {
  let browser
  const open = [] // served pages, to be stopped

  before(async () => {
    await access(executablePath).catch(() => assert.fail(`There is no Chromium at ${executablePath}. Say where it is with CHROMIUM.`))
    await buildPage()
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
  })
  after(async () => {
    await browser?.close()
    for (const site of open) await site.stop()
  })

  async function serve(settings = {}) {
    const site = await servePage(settings)
    open.push(site)
    return site
  }

  /** Opens the page in a browser context of its own, and gives what it asks the gateway. */
  async function visit(site, path = '', options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options })
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    const faults = []
    page.on('pageerror', (error) => faults.push(String(error)))
    const asked = listen(page)
    await page.goto(site.url + path)
    return { context, page, asked, faults }
  }

  const rows = (page) => page.getByRole('list', { name: 'Calls, newest first' }).getByRole('link')
  const transcript = (page) => page.getByRole('list', { name: 'Transcript' })
  const trouble = (page, title) => page.getByRole('alert').filter({ hasText: title })
  const transcriptQuestions = (asked) => asked.filter(({ query }) => /\btranscript\b/.test(query))

  /** The ids of the rows that are in the page now, in their order. */
  const shown = (page) =>
    page.locator('.scroller li').evaluateAll((items) =>
      items
        .sort((a, b) => a.ariaPosInSet - b.ariaPosInSet)
        .map((item) => item.querySelector('a').dataset.call),
    )

  describe('scrolled through 1,000 calls while 10 a second arrive', () => {
    let site, page, asked, faults, context
    let atStart // the newest 1,000 calls before the page was opened
    const seen = [] // the ids in the page, at each look

    before(async () => {
      site = await serve({ GATEWAY_DEMO_CALLS_PER_MINUTE: '600', GATEWAY_CACHE_TTL: '1s' })
      atStart = (await walk(site, (ids) => ids.length >= 1000)).slice(0, 1000)
      ;({ page, asked, faults, context } = await visit(site))
      await rows(page).first().waitFor()
    })
    after(() => context?.close())

    it('shows all of them', async () => {
      await page.locator('.scroller').hover()
      const last = atStart.at(-1)
      await until('the oldest of the 1,000 calls', async () => {
        seen.push(await shown(page))
        if (seen.at(-1).includes(last)) return true
        await page.mouse.wheel(0, 400) // less than what is in view
      }, 120_000)
    })

    it('leaves what the reader looks at where it is when calls come in above', async () => {
      // A look at the middle of the scroller, and what the pill counts.
      const look = () =>
        page.evaluate(() => {
          const box = document.querySelector('.scroller').getBoundingClientRect()
          const row = document.elementFromPoint(box.x + 40, box.y + box.height / 2).closest('[data-call]')
          const pill = document.querySelector('.pill')?.textContent
          return { id: row.dataset.call, top: row.getBoundingClientRect().top, above: Number.parseInt(pill ?? '0') }
        })
      await until('the scroller to rest', async () => {
        const top = (await look()).top
        await page.waitForTimeout(200)
        return (await look()).top === top
      })
      const before = await look()
      let later
      await until('more calls to come in', async () => (later = await look()).above > before.above)
      assert.deepEqual({ id: later.id, top: later.top }, { id: before.id, top: before.top })
    })

    it('leads to the new ones by a button that says how many they are', async () => {
      const pill = page.getByRole('button', { name: /^\d+ new calls?$/ })
      await pill.click()
      await until('the top of the list', async () => {
        seen.push(await shown(page))
        return page.locator('.scroller').evaluate((scroller) => scroller.scrollTop < 1000)
      })
    })

    it('shows no call twice and loses none', async (t) => {
      const list = assemble(asked)
      const truth = await walk(site, (ids) => ids.includes(list.at(-1)))
      const held = new Set(list)
      const everSeen = new Set(seen.flat())
      const duplicates = list.length - held.size + seen.reduce((sum, ids) => sum + ids.length - new Set(ids).size, 0)
      const lost = atStart.filter((id) => !held.has(id) || !everSeen.has(id)).length
      const arrived = list.indexOf(atStart[0])
      t.diagnostic(`${list.length} calls in ${asked.length} answers, ${arrived} of them new: duplicates ${duplicates}, losses ${lost}`)
      assert.ok(arrived > 50, 'calls arrived meanwhile')
      assert.ok(asked.some(({ variables }) => variables.before), 'and were fetched by walking up')
      assert.equal(duplicates, 0)
      assert.equal(lost, 0)
      const place = new Map(list.map((id, index) => [id, index]))
      for (const ids of seen) assert.deepEqual(ids, ids.toSorted((a, b) => place.get(a) - place.get(b)), 'in their order')
      // Even more: it is, call for call, a stretch of the list as another client sees it.
      const from = truth.indexOf(list[0])
      assert.deepEqual(list, truth.slice(from, from + list.length))
    })

    it('fetches a transcript once, when its call is opened, and no earlier', async (t) => {
      assert.equal(transcriptQuestions(asked).length, 0)
      assert.ok(asked.every(({ answer }) => !/transcript|"content"/.test(answer)))
      const bytes = asked.reduce((sum, { answer }) => sum + (answer?.length ?? 0), 0)

      const call = await firstConversation(page)
      await call.click()
      await transcript(page).waitFor()
      await page.keyboard.press('Escape')
      await page.getByText('Choose a call').waitFor()
      await call.click()
      await transcript(page).waitFor()
      t.diagnostic(`${asked.length} answers for the list, ${bytes} bytes, 0 of transcripts; 1 request for a transcript opened twice`)
      assert.equal(transcriptQuestions(asked).length, 1)
    })

    it('has no fault', () => assert.deepEqual(faults, []))
  })

  describe('in front of a quiet gateway', () => {
    let site
    before(async () => {
      site = await serve({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
    })

    it('filters by the status of the order, which the address holds', async () => {
      const { page, context } = await visit(site)
      await page.getByRole('button', { name: 'Called off' }).click()
      await page.waitForURL(/order=CANCELLED/)
      const wanted = await site.query('{ calls(statuses: [CANCELLED], first: 5) { nodes { id } } }')
      const all = await site.query('{ calls(first: 5) { nodes { id } } }')
      const five = async () => (await shown(page)).slice(0, 5)
      const are = (data) => async () => (await five()).join() === data.calls.nodes.map((call) => call.id).join()
      await until('the calls of cancelled orders', are(wanted))
      assert.equal(await page.getByRole('button', { name: 'Called off' }).getAttribute('aria-pressed'), 'true')
      await page.reload()
      await until('the same after a reload', are(wanted))
      await page.goBack()
      await until('all calls', are(all))
      await context.close()
    })

    it('opens the call in the address', async () => {
      const { page, context } = await visit(site)
      await (await firstConversation(page)).click()
      await transcript(page).waitFor()
      const words = await transcript(page).innerText()
      const deep = await visit(site, new URL(page.url()).search)
      await transcript(deep.page).waitFor()
      assert.equal(await transcript(deep.page).innerText(), words)
      assert.equal(transcriptQuestions(deep.asked).length, 1)
      await context.close()
      await deep.context.close()
    })

    it('is used by keyboard alone', async () => {
      const { page, context } = await visit(site)
      await rows(page).first().waitFor()
      const current = () => page.evaluate(() => document.activeElement.dataset.call)
      await until('the list to have the focus', async () => (await page.keyboard.press('Tab'), await current()))
      for (let row = 0; row < 30; row++) await page.keyboard.press('ArrowDown')
      const list = await shown(page)
      const call = await current()
      assert.ok(list.includes(call))
      await page.keyboard.press('Enter')
      await page.waitForURL((url) => url.searchParams.get('call') === call)
      await page.getByRole('region', { name: 'Call' }).waitFor()
      await page.keyboard.press('Escape')
      await page.waitForURL((url) => !url.searchParams.has('call'))
      assert.equal(await current(), call, 'the focus is back at the row')
      await context.close()
    })

    for (const [name, options] of Object.entries({
      light: {},
      dark: { colorScheme: 'dark' },
      phone: { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2 },
    })) {
      it(`has no serious fault of accessibility: ${name}`, async () => {
        const { page, context } = await visit(site, '', options)
        await rows(page).first().waitFor()
        await screenshot(page, `page-${name}-list`)
        const faults = await axe(page)
        await (await firstConversation(page)).click()
        await transcript(page).waitFor()
        await page.mouse.move(0, 0)
        await screenshot(page, `page-${name}`)
        faults.push(...(await axe(page)))
        assert.deepEqual(faults, [])
        const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.equal(width, 0, 'nothing sticks out')
        await context.close()
      })
    }
  })

  describe('when something fails', () => {
    let site
    before(async () => {
      site = await serve({ GATEWAY_TOKENS: 'right' })
    })
    const present = async (page, token) => {
      await page.getByLabel('Token').fill(token)
      await page.getByRole('button', { name: 'Show calls' }).click()
    }

    it('asks for a token, again after a wrong one', async () => {
      const { page, context, faults } = await visit(site)
      await trouble(page, 'Who are you?').waitFor()
      await screenshot(page, 'page-token')
      const refused = page.waitForResponse(/graphql/)
      await present(page, 'wrong')
      await refused
      await trouble(page, 'Who are you?').waitFor()
      await present(page, 'right')
      await rows(page).first().waitFor()
      assert.equal(await page.getByRole('alert').count(), 0)
      assert.deepEqual(faults, [])
      await context.close()
    })

    it('says so kindly when the gateway is gone, and goes on by itself when it is back', async () => {
      const { page, context } = await visit(site)
      await present(page, 'right')
      await rows(page).first().waitFor()
      await site.stopGateway()
      await trouble(page, 'No answer').waitFor()
      assert.ok(await rows(page).first().isVisible(), 'what was loaded is still there')
      await screenshot(page, 'page-trouble')
      assert.deepEqual(await axe(page), [])
      const reader = await visit(site)
      await trouble(reader.page, 'No answer').waitFor()
      await site.startGateway()
      await trouble(page, 'No answer').waitFor({ state: 'detached' })
      await trouble(reader.page, 'Who are you?').waitFor()
      await context.close()
      await reader.context.close()
    })

    it('knows when it is offline, and goes on at once when it is not', async () => {
      const { page, context, asked } = await visit(site)
      await present(page, 'right')
      await rows(page).first().waitFor()
      await context.setOffline(true)
      await trouble(page, 'You are offline').waitFor()
      const before = asked.length
      await context.setOffline(false)
      await trouble(page, 'You are offline').waitFor({ state: 'detached', timeout: 3_000 })
      assert.ok(asked.length > before, 'there was an answer')
      await context.close()
    })

    it('waits as long as it is told to when Revox is too busy', async () => {
      const { page, context, asked } = await visit(site)
      await refuse(page, { code: 'UPSTREAM_RATE_LIMITED', retryAfter: 2 }, 1)
      await page.reload()
      await trouble(page, 'Very busy just now').waitFor()
      const before = asked.length
      const since = Date.now()
      await trouble(page, 'Who are you?').waitFor()
      assert.ok(Date.now() - since > 1_000, 'it waited')
      assert.equal(asked.length, before + 1, 'and asked once')
      await context.close()
    })

    it('loads the list anew when it cannot be continued', async () => {
      const { page, context } = await visit(site)
      await present(page, 'right')
      await rows(page).first().waitFor()
      await refuse(page, { code: 'CURSOR_EXPIRED' }, 1)
      await trouble(page, 'The list has moved on').waitFor()
      await page.getByRole('button', { name: 'Load anew' }).click()
      await page.getByRole('alert').waitFor({ state: 'detached' })
      assert.ok(await rows(page).first().isVisible())
      await context.close()
    })
  })

  /** The row of a call that is over and was talked in, scrolled into view if need be. */
  async function firstConversation(page) {
    const ended = rows(page).filter({ hasText: 'A person answered' }).filter({ hasText: 'Ended' })
    await page.locator('.scroller').hover()
    await until('a call with a conversation', async () => {
      if ((await ended.count()) > 0) return true
      await page.mouse.wheel(0, 300)
    })
    const id = await ended.first().getAttribute('data-call')
    return page.locator(`[data-call="${id}"]`)
  }

  async function screenshot(page, name) {
    if (!screenshots) return
    await mkdir(screenshots, { recursive: true })
    await page.screenshot({ path: join(screenshots, `${name}.png`) })
  }
})

/** Lets the next so many questions fail with an error, as the gateway would answer them. */
async function refuse(page, extensions, times) {
  const body = JSON.stringify({ data: { calls: null }, errors: [{ message: 'Refused by the test.', path: ['calls'], extensions }] })
  await page.route('**/graphql', (route) => route.fulfill({ contentType: 'application/graphql-response+json', body }), { times })
}

/** What axe finds serious or worse. */
async function axe(page) {
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core'), 'utf8'))
  const { violations } = await page.evaluate(() => window.axe.run())
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)
}

/** Waits until a condition holds, looking again and again. */
async function until(what, condition, time = patience) {
  const deadline = Date.now() + time
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`Waited in vain for ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

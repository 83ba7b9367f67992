// The example page in a real browser, while the list does not change.
import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { axe, screenshot, until, variants } from './browser.mjs'
import { describePage, firstConversation, rowOf, rows, shown, transcript, transcriptRequests } from './page.mjs'

describePage('The example page in front of a quiet gateway', ({ serve, visit }) => {
  let site
  before(async () => {
    site = await serve({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
  })

  it('filters by the status of the order, which is in the address', async () => {
    const { page, context } = await visit(site)
    await page.getByRole('button', { name: 'Cancelled' }).click()
    await page.waitForURL(/order=CANCELLED/)
    const wanted = await site.query('{ calls(statuses: [CANCELLED], first: 5) { nodes { id } } }')
    const all = await site.query('{ calls(first: 5) { nodes { id } } }')
    const five = async () => (await shown(page)).slice(0, 5)
    const are = (data) => async () => (await five()).join() === data.calls.nodes.map((call) => call.id).join()
    await until('the calls of cancelled orders', are(wanted))
    assert.equal(await page.getByRole('button', { name: 'Cancelled' }).getAttribute('aria-pressed'), 'true')
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
    assert.equal(transcriptRequests(deep.requests).length, 1)
    await context.close()
    await deep.context.close()
  })

  for (const [name, options] of Object.entries({ 'a wide screen': {}, 'a phone': variants.phone })) {
    it(`can be used with the keyboard alone on ${name}`, async () => {
      const { page, context } = await visit(site, '', options)
      await rows(page).first().waitFor()
      const current = () => page.evaluate(() => document.activeElement.dataset.call)
      await until('the focus of the list', async () => (await page.keyboard.press('Tab'), await current()))
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
  }

  for (const [name, patch] of Object.entries({ '': {}, ', also without the time of its end': { endedAt: null } })) {
    it(`shows all of a call that ended while its panel was closed${name}`, async () => {
      const { page, context, requests } = await visit(site, '', { clock: true })
      const row = await firstConversation(page)
      const id = await row.getAttribute('data-call')
      await row.click()
      await transcript(page).waitFor()
      const words = await transcript(page).innerText()

      // Before its end, a call has a part of its transcript.
      let ended = false
      await page.route('**/graphql', async (route) => {
        const response = await route.fetch()
        const revive = (_, value) => {
          if (value?.id !== id) return value
          if (ended) return { ...value, ...('endedAt' in value ? patch : {}) }
          const partial = value.transcript ? { transcript: value.transcript.slice(0, 1), endedAt: null } : {}
          return { ...value, status: 'ONGOING', ...partial }
        }
        await route.fulfill({ response, body: JSON.stringify(JSON.parse(await response.text(), revive)) })
      })
      await page.goto(site.url)
      const again = await rowOf(page, id)
      await again.click()
      await page.getByText('The call is in progress').waitFor()
      await page.keyboard.press('Escape')
      ended = true
      await until('the end of the call in its row', async () => (await page.clock.runFor(1000), again.getByText('Ended').isVisible()))
      await again.click()
      await transcript(page).waitFor()
      await until('the whole transcript', async () => (await page.clock.runFor(1000), (await transcript(page).innerText()) === words))
      const before = transcriptRequests(requests).length
      await page.clock.runFor(60_000)
      await until('the responses', () => requests.open === 0)
      assert.equal(transcriptRequests(requests).length, before, 'no more polls')
      await context.close()
    })
  }

  for (const [name, options] of Object.entries(variants)) {
    it(`has no serious accessibility violation: ${name}`, async () => {
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
      assert.equal(width, 0, 'nothing is wider than the page')
      await context.close()
    })
  }
})

// The example page in a real browser, while the list does not change.
import assert from 'node:assert/strict'
import { before, it } from 'node:test'
import { axe, screenshot, until, variants } from './browser.mjs'
import { describePage, firstConversation, rows, shown, transcript, transcriptRequests } from './page.mjs'

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

  it('can be used with the keyboard alone', async () => {
    const { page, context } = await visit(site)
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

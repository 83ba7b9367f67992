// The example page in a real browser, scrolled while calls arrive.
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { until } from './browser.mjs'
import { patience } from './limits.mjs'
import { assemble, describePage, firstConversation, rows, shown, transcript, transcriptRequests, walk } from './page.mjs'

describePage('The example page, scrolled through 1,000 calls while 10 per second arrive', ({ serve, visit }) => {
  let site, page, requests, faults, context
  let atStart // the newest 1,000 calls before the page was opened
  const seen = [] // the IDs in the page at each observation

  before(async () => {
    site = await serve({ GATEWAY_DEMO_CALLS_PER_MINUTE: '600', GATEWAY_CACHE_TTL: '1s' })
    atStart = (await walk(site, (ids) => ids.length >= 1000)).slice(0, 1000)
    ;({ page, requests, faults, context } = await visit(site))
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
    }, 5 * patience)
  })

  it('keeps the visible rows in place when calls arrive above', async () => {
    // The row in the middle of the scroller, and the count of the pill.
    const observe = () =>
      page.evaluate(() => {
        const box = document.querySelector('.scroller').getBoundingClientRect()
        const row = document.elementFromPoint(box.x + 40, box.y + box.height / 2).closest('[data-call]')
        const pill = document.querySelector('.pill')?.textContent
        return { id: row.dataset.call, top: row.getBoundingClientRect().top, above: Number.parseInt(pill ?? '0') }
      })
    await until('a resting scroller', async () => {
      const top = (await observe()).top
      // The page scrolls by frames, so the test waits by frames: on a busy machine, they are far apart.
      await page.evaluate(async () => {
        for (let frame = 0; frame < 12; frame++) await new Promise(requestAnimationFrame)
      })
      return (await observe()).top === top
    })
    const before = await observe()
    let later
    await until('more calls', async () => (later = await observe()).above > before.above)
    assert.deepEqual({ id: later.id, top: later.top }, { id: before.id, top: before.top })
  })

  it('has a button that counts the new calls and leads to them', async () => {
    const pill = page.getByRole('button', { name: /^\d+ new calls?$/ })
    const newest = assemble(requests)
    await pill.press('Enter')
    await until('the top of the list', async () => {
      seen.push(await shown(page))
      return page.locator('.scroller').evaluate((scroller) => scroller.scrollTop < 1000)
    })
    const focused = await page.evaluate(() => document.activeElement.dataset.call)
    assert.ok(focused && !newest.slice(50).includes(focused), 'the focus is at the top of the list')
  })

  it('shows no call twice and loses none', async (t) => {
    const list = assemble(requests)
    const truth = await walk(site, (ids) => ids.includes(list.at(-1)))
    const held = new Set(list)
    const everSeen = new Set(seen.flat())
    const duplicates = list.length - held.size + seen.reduce((sum, ids) => sum + ids.length - new Set(ids).size, 0)
    const lost = atStart.filter((id) => !held.has(id) || !everSeen.has(id)).length
    const arrived = list.indexOf(atStart[0])
    t.diagnostic(`${list.length} calls in ${requests.length} responses, ${arrived} of them new: duplicates ${duplicates}, losses ${lost}`)
    assert.ok(arrived > 50, 'calls arrived meanwhile')
    assert.ok(requests.some(({ variables }) => variables.before), 'and were fetched by walking up')
    assert.equal(duplicates, 0)
    assert.equal(lost, 0)
    const place = new Map(list.map((id, index) => [id, index]))
    for (const ids of seen) assert.deepEqual(ids, ids.toSorted((a, b) => place.get(a) - place.get(b)), 'in their order')
    // The list is, call by call, a part of the list that another client reads.
    const from = truth.indexOf(list[0])
    assert.deepEqual(list, truth.slice(from, from + list.length))
  })

  it('fetches a transcript once, and not before its call is opened', async (t) => {
    assert.equal(transcriptRequests(requests).length, 0)
    assert.ok(requests.every(({ response }) => !/transcript|"content"/.test(response)))
    const bytes = requests.reduce((sum, { response }) => sum + (response?.length ?? 0), 0)

    const call = await firstConversation(page)
    await call.click()
    await transcript(page).waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Choose a call').waitFor()
    await call.click()
    await transcript(page).waitFor()
    t.diagnostic(`${requests.length} responses for the list, ${bytes} bytes, 0 of transcripts; 1 request for a transcript opened twice`)
    assert.equal(transcriptRequests(requests).length, 1)
  })

  it('throws no error', () => assert.deepEqual(faults, []))
})

// What a browser would show, in a terminal: the page is rendered into a DOM without a browser.
import { headers, url } from './gateway.js'
import { newPage } from './page.js'

try {
  const page = await newPage(url, { count: 5, headers })
  await page.more()
  console.log(page.text())
  await page.close()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}

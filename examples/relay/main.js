// What a browser would show, in a terminal: the page is rendered into a DOM without a browser.
import { gatewayURL } from '../gateway.js'
import { newPage } from './page.js'

const page = await newPage(gatewayURL, { count: 5 })
await page.more()
console.log(page.text())
await page.close()

import { createRoot } from 'react-dom/client'
import 'graphiql/setup-workers/vite'
// The parts of graphiql/style.css, without the fonts and the second copy of Monaco's styles that are in it.
import '@graphiql/react/style.css'
import '@graphiql/plugin-doc-explorer/style.css'
import '@graphiql/plugin-history/style.css'
import 'graphiql/graphiql.css'
import './fonts.css'
import './style.css'
import { Explorer } from './explorer'

createRoot(document.getElementById('root')!).render(<Explorer />)

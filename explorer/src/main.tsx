import { createRoot } from 'react-dom/client'
import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './style.css'
import { Explorer } from './explorer'

createRoot(document.getElementById('root')!).render(<Explorer />)

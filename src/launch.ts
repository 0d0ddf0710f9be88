#!/usr/bin/env -S node --disable-proto=delete
import { loadBundle } from './bundle.ts'

loadBundle(import.meta.dirname).run()

#!/usr/bin/env -S node --disable-proto=delete --min-semi-space-size=4
import { loadBundle } from './bundle.ts'

loadBundle(import.meta.dirname).run()

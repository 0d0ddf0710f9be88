#!/usr/bin/env -S node --disable-proto=delete
import { runBundle } from './bundle.ts'

runBundle(import.meta.dirname)

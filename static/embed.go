// Package static holds the pages and ES modules that browsers load: index.html
// is the landing page, room.html the room, links.html the place where links and
// buttons are made, docs the manual. They are served as they are,
// comments aside ([Sent]): there is no build step, no framework and no file
// from anywhere else.
//
// The modules live in js, one job each; js/app.js ties those of the room
// together. What they say is in js/texts, one file per language. Types are
// JSDoc, with the messages of the WebSocket in protocol.d.ts, and are checked
// with
//
//	npx -y -p typescript@5 tsc -p static/jsconfig.json
//
// What needs no browser has tests; package.json only tells Node that these are modules:
//
//	node --test static/test/*.test.js
package static

import "embed"

// Files is everything that is served, by its path below "/"; tests and types
// are left out. What is sent of them is [Sent].
//
//go:embed index.html links.html room.html *.css *.svg js docs
var Files embed.FS

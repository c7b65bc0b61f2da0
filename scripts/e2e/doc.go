// Package e2e tests Dialroom from the outside: the real sfu and bridge, a real
// Chromium whose microphone plays known speech, and telephones that are the
// demo carrier or baresip. Nothing is replaced; what is measured is what a
// person on either side would hear and see.
//
// Every test has a world of its own: processes on free ports, a carrier inside
// the test, browsers. When a test fails, the world says what everybody logged.
//
// Pages are driven as people do who see them or have them read out: things are
// found by role and name in the accessibility tree, and pressed where they are
// seen, on a desktop and on a phone, light and dark. axe-core, which npm
// fetches for the tests, looks at every page.
//
// With DIALROOM_SCREENSHOTS set, and in CI, pictures of the page are kept in
// artifacts/ at the top of the tree. With DIALROOM_MINUTES=10 people come and
// go for ten minutes in the test of a full room.
package e2e

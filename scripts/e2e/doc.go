// Package e2e tests Dialroom from the outside: the real sfu and bridge, a real
// Chromium whose microphone plays known speech, and telephones that are the
// demo carrier or baresip. Nothing is replaced; what is measured is what a
// person on either side would hear and see.
//
// Every test has a world of its own: processes on free ports, a carrier inside
// the test, browsers. When a test fails, the world says what everybody logged.
//
// With DIALROOM_SCREENSHOTS set, pictures of the page are kept in artifacts/
// at the top of the tree.
package e2e

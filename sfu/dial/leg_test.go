package dial

import (
	"dialroom/sfu/ledger"
	"dialroom/sfu/phone"
	"dialroom/shared/sign"
)

// The real parts fit.
var (
	_ Leg    = (*phone.Leg)(nil)
	_ Ledger = (*ledger.Ledger)(nil)
	_ Bridge = (*sign.Client)(nil)
)

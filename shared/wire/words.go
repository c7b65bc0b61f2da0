package wire

// Words says a state, an ending or a refusal in one plain English sentence,
// for a person who has never heard of SIP. An unknown word says no more than
// that the call did not work.
func Words(reason string) string {
	if text, ok := words(reason); ok {
		return text
	}
	return "The call did not work."
}

func words(reason string) (string, bool) {
	switch reason {
	case string(Dialing):
		return "The number is being called.", true
	case string(Ringing):
		return "The phone is ringing.", true
	case string(Early):
		return "The phone network is playing an announcement.", true
	case string(Answered):
		return "The phone has been answered.", true
	case string(Ended):
		return "The call has ended.", true
	case string(Refused):
		return "The call was not placed.", true
	}
	if text, ok := endingWords(Ending(reason)); ok {
		return text, true
	}
	return refusalWords(Refusal(reason))
}

func endingWords(reason Ending) (string, bool) {
	switch reason {
	case HangupRoom:
		return "The call was hung up from the room.", true
	case HangupPhone:
		return "The person on the phone hung up.", true
	case Busy:
		return "The line is busy.", true
	case NoAnswer:
		return "Nobody answered the phone.", true
	case Declined:
		return "The call was declined.", true
	case Unreachable:
		return "The phone cannot be reached at the moment.", true
	case NotFound:
		return "There is no such number.", true
	case TrunkFailed:
		return "The phone line of this site did not work.", true
	case NoTrunk:
		return "This site has no phone line that can call this number now.", true
	case MediaLost:
		return "The sound from the phone stopped, so the call was ended.", true
	case MaxDuration:
		return "The call reached the longest time this site allows.", true
	case RoomEmpty:
		return "Everybody had left the room.", true
	case BridgeLost:
		return "The connection to the phone network was lost.", true
	case Shutdown:
		return "The site is being restarted.", true
	case Transferred:
		return "The phone was passed on to another number.", true
	}
	return "", false
}

func refusalWords(reason Refusal) (string, bool) {
	switch reason {
	case NotAllowed:
		return "This number is not one this site may call.", true
	case Blocked:
		return "This number is blocked on this site.", true
	case BlockedType:
		return "This kind of number is not called from this site.", true
	case CapDay:
		return "This site has placed all the calls it may place today.", true
	case CapMinute:
		return "There were too many calls in a short time; please wait a minute.", true
	case CapConcurrent:
		return "All phone lines of this site are in use; please try again later.", true
	case BadNumber:
		return "This is not a phone number.", true
	case BadTrunk:
		return "This link names a phone line that does not exist here.", true
	case LinkExpired:
		return "This link has expired.", true
	case LinkUsed:
		return "This link has been used up.", true
	case LinkInvalid:
		return "This link is not valid.", true
	case AlreadyDialed:
		return "This number was already called from this room.", true
	case GuardUnavailable:
		return "Calls cannot be checked at the moment, so none are placed.", true
	}
	return "", false
}

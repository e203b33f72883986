/// How somebody who runs a program finds out that it is to be ended before its time.
struct StopCheck {
    /// When this can be read, it is time to ask; -1 says to ask now and then.
    var descriptor: Int32 = -1
    var isStopWanted: () -> Bool

    static var never: StopCheck { StopCheck { false } }
}

/// The interfaces in their present version, as they are told to whoever asks. docs/dbus has the same texts.
enum BusInterface {
    static let manager = "org.snapmgr1.Manager"
    static let job = "org.snapmgr1.Job"
    static let participant = "org.snapmgr1.Participant"
    static let properties = "org.freedesktop.DBus.Properties"
    static let introspectable = "org.freedesktop.DBus.Introspectable"

    /// What participants and clients of this version understand.
    static let version: UInt32 = 1

    private static let heading = """
        <!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
         "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">

        """

    /// The document of an object.
    ///
    /// - Parameter children: the names of the objects right below it.
    static func document(_ interfaces: [String], children: [String] = []) -> String {
        let nodes = children.map { "  <node name=\"\($0)\"/>\n" }.joined()
        return heading + "<node>\n" + interfaces.joined() + nodes + "</node>\n"
    }

    static let managerText = """
          <interface name="org.snapmgr1.Manager">
            <method name="List">
              <arg name="volumes" type="as" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
              <arg name="snapshots" type="aa{sv}" direction="out"/>
            </method>
            <method name="Snapshot">
              <arg name="volumes" type="as" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
              <arg name="job" type="o" direction="out"/>
            </method>
            <method name="Revert">
              <arg name="reference" type="s" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
              <arg name="job" type="o" direction="out"/>
            </method>
            <method name="Prune">
              <arg name="volumes" type="as" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
              <arg name="job" type="o" direction="out"/>
            </method>
            <method name="Delete">
              <arg name="references" type="as" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
              <arg name="job" type="o" direction="out"/>
            </method>
            <method name="Hold">
              <arg name="reference" type="s" direction="in"/>
              <arg name="reason" type="s" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
            </method>
            <method name="Release">
              <arg name="reference" type="s" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
            </method>
            <method name="RegisterParticipant">
              <arg name="who" type="s" direction="in"/>
              <arg name="why" type="s" direction="in"/>
              <arg name="scope" type="as" direction="in"/>
              <arg name="mode" type="s" direction="in"/>
              <arg name="object" type="o" direction="in"/>
              <arg name="options" type="a{sv}" direction="in"/>
              <arg name="id" type="t" direction="out"/>
              <arg name="lock" type="h" direction="out"/>
            </method>
            <method name="ListParticipants">
              <arg name="participants" type="aa{sv}" direction="out"/>
            </method>
            <method name="ListJobs">
              <arg name="jobs" type="ao" direction="out"/>
            </method>
            <signal name="PrepareForSnapshot">
              <arg name="cookie" type="t"/>
              <arg name="active" type="b"/>
              <arg name="volumes" type="as"/>
            </signal>
            <signal name="SnapshotTaken">
              <arg name="cookie" type="t"/>
              <arg name="snapshots" type="at"/>
              <arg name="consistency" type="s"/>
            </signal>
            <signal name="PrepareForRevert">
              <arg name="cookie" type="t"/>
              <arg name="active" type="b"/>
              <arg name="volumes" type="as"/>
            </signal>
            <signal name="Reverted">
              <arg name="volume" type="s"/>
              <arg name="snapshot" type="t"/>
              <arg name="time" type="t"/>
            </signal>
            <signal name="Event">
              <arg name="event" type="a{sv}"/>
            </signal>
            <signal name="JobNew">
              <arg name="job" type="o"/>
              <arg name="kind" type="s"/>
            </signal>
            <signal name="JobRemoved">
              <arg name="job" type="o"/>
              <arg name="state" type="s"/>
            </signal>
            <property name="InterfaceVersion" type="u" access="read"/>
            <property name="Version" type="s" access="read"/>
          </interface>

        """

    static let jobText = """
          <interface name="org.snapmgr1.Job">
            <method name="Wait">
              <arg name="report" type="a{sv}" direction="out"/>
            </method>
            <method name="Cancel"/>
            <property name="Kind" type="s" access="read"/>
            <property name="State" type="s" access="read"/>
            <property name="Volumes" type="as" access="read"/>
            <property name="RequestedBy" type="s" access="read"/>
            <property name="Progress" type="a{sv}" access="read"/>
          </interface>

        """
}

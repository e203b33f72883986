// NBDPlugin

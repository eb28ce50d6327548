"""The configuration: `reading` turns a file into what the program is built of; the other modules are its parts."""

import sys

from tools.page import main

if __name__ == "__main__":
    sys.exit(main())

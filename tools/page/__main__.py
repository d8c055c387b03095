import sys

from tools.page import main, timing

if __name__ == "__main__":
    sys.exit(timing.main() if "--measure" in sys.argv else main())
